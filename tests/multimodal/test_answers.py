"""From a model's folder to Table A6: four methods, kept networks, their answers to made benchmarks, the table."""

import json
import shutil
from pathlib import Path

import pytest
from tiny_llava import COLORS

import oraclecheck as oc
from oraclecheck.answers.command import main as answers
from oraclecheck.cli import main

HOW = "Answer the question using a single word or phrase."


def write_benchmarks(folder: Path, data: Path) -> None:
    """The benchmarks' own files, about the test images."""
    samples = json.loads((data / "test.json").read_text())[:12]
    colors = [sample["conversations"][1]["value"] for sample in samples]
    names = [sample["id"] for sample in samples]
    for name in ("scienceqa", "textvqa", "gqa", "pope/coco"):
        (folder / name).mkdir(parents=True)
    problems = {name: {"choices": ["dark", "bright"], "answer": 0} for name in names}
    (folder / "scienceqa/problems.json").write_text(json.dumps(problems))
    (folder / "scienceqa/pid_splits.json").write_text(json.dumps({"test": names}))
    asked = [
        {"image_id": name, "question": "What color is this image?", "answers": [color] * 10}
        for name, color in zip(names, colors, strict=True)
    ]
    (folder / "textvqa/TextVQA_0.5.1_val.json").write_text(json.dumps({"data": asked}))
    balanced = {name: {"answer": color, "isBalanced": True} for name, color in zip(names, colors, strict=True)}
    (folder / "gqa/testdev_balanced_questions.json").write_text(json.dumps(balanced))
    lines = []
    for number, category in enumerate(("adversarial", "popular", "random")):
        labels = "".join(json.dumps({"label": label}) + "\n" for label in ("yes", "no", "yes", "yes"))
        (folder / f"pope/coco/coco_pope_{category}.json").write_text(labels)
        lines += [json.dumps({"question_id": name, "category": category}) for name in names[4 * number :][:4]]
    (folder / "pope/llava_pope_test.jsonl").write_text("\n".join(lines))


def write_answers(folder: Path, network: Path, data: Path) -> list[str]:
    """What a kept network says to the first twelve test questions, as LLaVA-1.5's scripts write it."""
    import torch
    from transformers import AutoImageProcessor, AutoTokenizer, LlavaForConditionalGeneration

    from oraclecheck.multimodal.conversations import Conversation, ConversationReader, written

    model = LlavaForConditionalGeneration.from_pretrained(network).eval()
    tokenizer, processor = AutoTokenizer.from_pretrained(network), AutoImageProcessor.from_pretrained(network)
    reader = ConversationReader(str(data), tokenizer, processor, (model.config.image_token_id, 4), 128)
    lines, said = [], []
    for sample in json.loads((data / "test.json").read_text())[:12]:
        question = "What color is this image?"
        asked = Conversation(sample["id"], sample["image"], ((question, "red"),))
        begun = reader.tokens(asked)
        tokens = torch.tensor([begun.tokens[: begun.answers[0]]])
        assert tokenizer.decode(tokens[0]).endswith("ASSISTANT :") and written(asked, "")[0].endswith("red")
        generated = model.generate(
            input_ids=tokens,
            attention_mask=torch.ones_like(tokens),
            pixel_values=reader.image(asked)[None],
            max_new_tokens=3,
            do_sample=False,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        text = tokenizer.decode(generated[0, tokens.shape[1] :], skip_special_tokens=True).strip()
        said.append(text)
        lines.append(json.dumps({"question_id": sample["id"], "prompt": f"{question}\n{HOW}", "text": text}))
    folder.mkdir()
    for name in ("textvqa", "gqa", "pope", "mmvet"):
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    (folder / "sqa.jsonl").write_text("\n".join(line.replace('"prompt": "', '"prompt": "<image>\\n') for line in lines))
    (folder / "mmvet_score.txt").write_text("30")
    return said


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_kept_networks_answer_and_are_put_into_the_papers_table(words, llava, questions_folder, tmp_path, capsys):
    rest = (f"paths.out={tmp_path}", "combo=range(4)", "repeat=0,1", "trainer.keep_networks=true", "retrain.epochs=6")
    assert main(["-m", *words, *rest]) == 0
    (study,) = tmp_path.glob("tinyllava-*")
    assert oc.correlate(oc.load_runs(study))["n"].tolist() == [4, 4]
    write_benchmarks(tmp_path / "benchmarks", questions_folder)
    said = write_answers(study / "0" / "0" / "answers", study / "0" / "0" / "network", questions_folder)
    assert sum(text in COLORS for text in said) >= 10  # it has learned what an answer is
    for combination in range(1, 4):
        folder = study / str(combination) / "0"
        write_answers(folder / "answers", folder / "network", questions_folder)
    (study / "dense").mkdir()
    write_answers(study / "dense" / "answers", llava, questions_folder)
    capsys.readouterr()
    assert answers([str(study), "--questions", str(tmp_path / "benchmarks"), "--format", "md"]) == 0
    printed = capsys.readouterr().out.splitlines()
    rows = [line.split(" | ") for line in printed if line.startswith("| ")]
    assert [row[0].strip("| ") for row in rows[:7]][2:] == ["dense", "uniform", "global", "outlier", "components"]
    for row in rows[2:7]:
        scores = [float(cell) for cell in row[2:7]]
        assert float(row[7]) == pytest.approx(sum(scores) / 4, abs=0.1)
        assert float(row[8].strip(" |")) == pytest.approx(sum(scores) / 5, abs=0.1)
        assert scores[1] == pytest.approx(scores[2], abs=0.06)  # all ten people say the one right answer
    assert any("Table A6" in line for line in printed)
    assert json.loads((study / "1" / "0" / "answers" / "mmvet_for_judge.json").read_text()).keys() >= {"v1_test0"}
    shutil.rmtree(study / "dense")
