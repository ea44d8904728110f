"""What lmms-eval writes of a benchmark, by hand as its version 0.7.3 does, scored by the rules of the benchmarks."""

import json
from pathlib import Path

import pytest

from oraclecheck.answers.command import scores

DATE = "20261122_204206"


def sampled(folder: Path, task: str, *lines: dict, original: int | None = None, date: str = DATE) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{date}_samples_{task}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    path = folder / f"{date}_results.json"
    content = json.loads(path.read_text()) if path.is_file() else {"n-samples": {}}
    content["n-samples"][task] = {"original": original or len(lines), "effective": len(lines)}
    path.write_text(json.dumps(content))


def said(answer: str, target: str, **others: object) -> dict:
    return {"doc_id": 0, "target": target, "filtered_resps": answer, **others}


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


def test_what_its_judge_did_not_answer_is_left_out_and_said(tmp_path, capsys):
    told = {"score": 0.0, "eval_model": ""}
    sampled(tmp_path, "mmvet", said("x", "y", gpt_eval_score=told))
    assert scores(tmp_path, None)["mmvet"] is None
    assert "its judge did not answer 1 of 1 times" in capsys.readouterr().err
    (tmp_path / "mmvet_score.txt").write_text("31.5")
    assert scores(tmp_path, None)["mmvet"] == 31.5


def test_half_of_the_questions_or_of_the_kinds_are_refused(tmp_path):
    sampled(tmp_path / "limit", "gqa", said("red", "red"), original=12578)
    with pytest.raises(ValueError, match=r"must answer all 12,578 questions; it answers 1"):
        scores(tmp_path / "limit", None)
    sampled(tmp_path / "kinds", "pope_adv", said("yes", "yes"))
    with pytest.raises(ValueError, match=r"POPE must be asked all its kinds of questions; .* lacks pope_pop"):
        scores(tmp_path / "kinds", None)


def test_two_ways_at_once_and_files_that_are_none(tmp_path):
    sampled(tmp_path / "two", "gqa", said("red", "red"))
    (tmp_path / "two" / "gqa.jsonl").write_text('{"question_id": "1", "text": "red"}\n')
    with pytest.raises(ValueError, match=r"must hold answers once; it has gqa.jsonl and what lmms-eval wrote"):
        scores(tmp_path / "two", None)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "gqa.jsonl").write_text('{"question_id": "1", "text": "red"}\n')
    with pytest.raises(ValueError, match="--questions must say where the benchmarks' own files are"):
        scores(tmp_path / "own", None)
    sampled(tmp_path / "none", "gqa", {"doc_id": 0})
    with pytest.raises(ValueError, match="must be what lmms-eval wrote of gqa: KeyError"):
        scores(tmp_path / "none", None)
    for name, content in (("empty", ""), ("broken", "{")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{DATE}_samples_gqa.jsonl").write_text(content)
        with pytest.raises(ValueError, match="must hold"):
            scores(tmp_path / name, None)
