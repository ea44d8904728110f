"""What lmms-eval writes of a benchmark, by hand as its version 0.7.3 does, scored by the rules of the benchmarks."""

import json
from pathlib import Path

import pytest

from oraclecheck.answers.command import scores as scores_and_ways

DATE = "20261122_204206"


def scores(folder: Path, questions: Path | None) -> dict[str, float | None]:
    return scores_and_ways(folder, questions)[0]


def sampled(folder: Path, task: str, *lines: dict, original: int | None = None, date: str = DATE) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    numbered = ({"doc_id": number, **line} for number, line in enumerate(lines))
    (folder / f"{date}_samples_{task}.jsonl").write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in numbered)
    )
    path = folder / f"{date}_results.json"
    content = json.loads(path.read_text()) if path.is_file() else {"n-samples": {}}
    content["n-samples"][task] = {"original": original or len(lines), "effective": len(lines)}
    path.write_text(json.dumps(content))


def said(answer: str, target: str, **others: object) -> dict:
    return {"target": target, "filtered_resps": answer, "token_counts": [{"output_tokens": 2}], **others}


def pope(folder: Path) -> None:
    sampled(folder, "pope_adv", said("Yes", "yes"), said("yes, it is", "no"))  # F1 of yes 2/3
    sampled(folder, "pope_pop", said("No, there is none.", "no"), said("Yes", "yes"))  # 1
    sampled(folder, "pope_random", said("No", "yes"), said("not here", "yes"))  # 0


def test_every_benchmark_is_scored_without_its_own_files(tmp_path):
    folder = tmp_path / "0__network"
    sampled(folder, "scienceqa_img", said("A", "A"), said("B. it sinks", "B"), said("C", "D"))
    sampled(folder, "gqa", said("Red.", "red"), said("reds", "red"), said(" left", "left"), said("cat", "dog"))
    sampled(folder, "textvqa_val", said("x", "y", exact_match=0.3), said("x", "x", exact_match=1.0))
    sampled(folder, "mmvet", *(said("x", "y", gpt_eval_score={"score": s, "eval_model": "gpt"}) for s in (0.5, 0.2)))
    pope(folder)
    assert scores(tmp_path, None) == pytest.approx(
        {"sqa": 200 / 3, "textvqa": 65.0, "gqa": 50.0, "pope": 100 * (2 / 3 + 1) / 3, "mmvet": 35.0}
    )


def test_the_youngest_answers_count_and_others_tasks_do_not(tmp_path):
    sampled(tmp_path / "b", "gqa", said("red", "red"), date="20261122_204206")
    sampled(tmp_path / "a", "gqa", said("blue", "red"), date="20261123_010000")
    sampled(tmp_path / "a", "mmbench", said("blue", "red"))
    assert scores(tmp_path, None) == {"sqa": None, "textvqa": None, "gqa": 0.0, "pope": None, "mmvet": None}


def test_answers_in_a_list_are_read(tmp_path):
    sampled(tmp_path, "gqa", said(["red"], "red"))
    assert scores(tmp_path, None)["gqa"] == 100


def test_what_its_judge_did_not_answer_is_left_out_and_written_for_it(tmp_path, capsys):
    told = {"score": 0.0, "eval_model": "", "question_id": "v1_0", "pred_answer": "x"}
    sampled(tmp_path, "mmvet", said("x", "y", gpt_eval_score=told))
    assert scores(tmp_path, None)["mmvet"] is None
    assert "its judge did not answer 1 of 1 times" in capsys.readouterr().err
    assert json.loads((tmp_path / "mmvet_for_judge.json").read_text()) == {"v1_0": "x"}
    (tmp_path / "mmvet_score.txt").write_text("31.5")
    assert scores(tmp_path, None)["mmvet"] == 31.5
    sampled(tmp_path, "mmvet", said("x", "y", gpt_eval_score={**told, "eval_model": "gpt"}))
    with pytest.raises(ValueError, match="must hold one score of MM-Vet"):
        scores(tmp_path, None)


def test_labels_are_read_however_they_are_written(tmp_path):
    sampled(tmp_path, "gqa", said("Red", " Red"))
    for task in ("pope_adv", "pope_pop", "pope_random"):
        sampled(tmp_path, task, said("yes", "No"), said("yes", "Yes "))
    assert scores(tmp_path, None) == pytest.approx(
        {"sqa": None, "textvqa": None, "gqa": 100, "pope": 200 / 3, "mmvet": None}
    )


def test_lines_that_only_python_takes_for_ends_are_none(tmp_path):
    sampled(tmp_path, "gqa", said("red\u2028", "red"))
    assert scores(tmp_path, None)["gqa"] == 100


def test_answers_that_failed_are_refused_and_empty_ones_said(tmp_path, capsys):
    sampled(tmp_path / "failed", "gqa", said("", "red", token_counts=[None]), said("red", "red"))
    with pytest.raises(ValueError, match="must hold answers; 1 of 2 failed"):
        scores(tmp_path / "failed", None)
    sampled(tmp_path / "empty", "gqa", said("", "red"), said("red", "red"))
    assert scores(tmp_path / "empty", None)["gqa"] == 50
    assert "1 of 2 answers are empty" in capsys.readouterr().err


def test_a_part_of_the_questions_or_of_the_kinds_is_refused(tmp_path):
    sampled(tmp_path / "limit", "gqa", said("red", "red"), original=12578)
    with pytest.raises(ValueError, match="must answer each of 12,578 questions once; it has 1 answers"):
        scores(tmp_path / "limit", None)
    sampled(tmp_path / "twice", "gqa", said("red", "red", doc_id=0), said("red", "red", doc_id=0))
    with pytest.raises(ValueError, match="must answer each of 2 questions once"):
        scores(tmp_path / "twice", None)
    (tmp_path / "twice" / f"{DATE}_results.json").unlink()
    with pytest.raises(ValueError, match=r"_results\.json, which says how many questions there are"):
        scores(tmp_path / "twice", None)
    sampled(tmp_path / "kinds", "pope_adv", said("yes", "yes"))
    with pytest.raises(ValueError, match=r"POPE must be asked all its kinds of questions; .* lacks pope_pop"):
        scores(tmp_path / "kinds", None)
    sampled(tmp_path / "once", "pope", said("yes", "yes"))
    with pytest.raises(ValueError, match="POPE must be asked as --tasks pope_adv,pope_pop,pope_random"):
        scores(tmp_path / "once", None)


def test_two_ways_at_once_and_files_that_are_none(tmp_path):
    sampled(tmp_path / "two", "gqa", said("red", "red"))
    (tmp_path / "two" / "gqa.jsonl").write_text('{"question_id": "1", "text": "red"}\n')
    with pytest.raises(ValueError, match=r"must hold answers once; it has gqa.jsonl and what lmms-eval wrote"):
        scores(tmp_path / "two", None)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "gqa.jsonl").write_text('{"question_id": "1", "text": "red"}\n')
    with pytest.raises(ValueError, match="--questions must say where the benchmarks' own files are"):
        scores(tmp_path / "own", None)
    for number, broken in enumerate(({}, said([], "red"), said("red", 3), said(None, "red"))):
        sampled(tmp_path / f"{number}", "gqa", broken)
        with pytest.raises(ValueError, match=r"must be what lmms-eval writes of gqa"):
            scores(tmp_path / f"{number}", None)
    for number, broken in enumerate((30, float("nan"))):
        sampled(tmp_path / f"vqa{number}", "textvqa_val", said("x", "x", exact_match=broken))
        with pytest.raises(ValueError, match="must hold scores between 0 and 1"):
            scores(tmp_path / f"vqa{number}", None)
    pope(tmp_path / "pope")
    sampled(tmp_path / "pope", "pope_adv", said("yes", "maybe"))
    with pytest.raises(ValueError, match="must be about questions whose answer is yes or no; got maybe"):
        scores(tmp_path / "pope", None)
    sampled(tmp_path / "broken", "gqa", said("red", "red"))
    for content in ("", "{", "[]\n"):
        (tmp_path / "broken" / f"{DATE}_samples_gqa.jsonl").write_text(content)
        with pytest.raises(ValueError, match="must"):
            scores(tmp_path / "broken", None)


def test_a_table_whose_rows_were_asked_in_two_ways_is_refused(tmp_path, monkeypatch):
    import pandas as pd

    from oraclecheck.answers import command
    from oraclecheck.records import folder

    removed = {"method": "uniform", "noise": 0.0}
    runs = [{"combo": 0, "repeat": repeat, "status": "ok", "removed": removed, "pruned_train_loss": 1.0}
            for repeat in (0, 1)]  # fmt: skip
    monkeypatch.setattr(folder, "load_study", lambda study: pd.DataFrame(runs))
    (tmp_path / "study.json").write_text("{}")
    sampled(tmp_path / "0" / "0" / "answers", "gqa", said("red", "red"))
    (row,) = command.study_rows(tmp_path, None)
    assert row.by_lmms_eval == {"gqa"} and row.scores["gqa"] == 100
    questions = tmp_path / "questions" / "gqa"
    questions.mkdir(parents=True)
    (questions / "testdev_balanced_questions.json").write_text('{"1": {"answer": "red"}}')
    (tmp_path / "0" / "1" / "answers").mkdir(parents=True)
    (tmp_path / "0" / "1" / "answers" / "gqa.jsonl").write_text('{"question_id": "1", "text": "red"}\n')
    with pytest.raises(ValueError, match="must be asked gqa in one way"):
        command.study_rows(tmp_path, tmp_path / "questions")
