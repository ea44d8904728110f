"""Each benchmark's rule, on answers made by hand."""

import json
from pathlib import Path

import pytest

from oraclecheck.answers import gqa, mm_vet, pope, science_qa, text_vqa


def lines(path: Path, *entries: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


def whole(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("C. because it floats", "C"),
        ("The answer is A.", "A"),
        ("I think so. The answer is D, surely.", "D"),
        ("The answer is A. No: The answer is B.", None),  # twice
        ("The answer is A", None),  # nothing behind it
        ("b", None),
        ("B.", None),
        ("BC", None),
        ("", None),
    ],
)
def test_a_choice_is_read_off_an_answer(text, letter):
    assert science_qa.choice(text) == letter


def test_science_qa_counts_questions_with_an_image(tmp_path):
    problems = {str(i): {"choices": ["x", "y"], "answer": i % 2} for i in range(5)}
    whole(tmp_path / "q/scienceqa/problems.json", problems)
    whole(tmp_path / "q/scienceqa/pid_splits.json", {"test": ["0", "1", "2", "3"]})
    path = lines(
        tmp_path / "sqa.jsonl",
        {"question_id": "0", "prompt": "<image>\nwhich?", "text": "A"},
        {"question_id": "1", "prompt": "<image>\nwhich?", "text": "The answer is B."},
        {"question_id": "2", "prompt": "<image>\nwhich?", "text": "C"},  # it has two choices
        {"question_id": "3", "prompt": "which?", "text": "B"},  # right, and without an image
        {"question_id": "4", "prompt": "<image>\nwhich?", "text": "B"},  # of another split
    )
    assert science_qa.score(path, tmp_path / "q") == pytest.approx(200 / 3)


@pytest.mark.parametrize(
    ("answer", "written"),
    [
        ("The Red Bull.", "red bull"),
        ("two dogs", "2 dogs"),
        ("1,000", "1000"),
        ("dont walk", "don't walk"),
        ("couldnt've", "couldn't've"),
        ("3.5", "3.5"),
        ("St. Paul's", "st paul 's"),
        ("a-b", "b"),  # the hyphen becomes a space, and the article goes
        ("coca-cola", "coca cola"),
        ("coca- cola", "coca cola"),
        ("none", "0"),
    ],
)
def test_answers_are_written_alike_before_they_are_compared(answer, written):
    assert text_vqa.written(answer) == written


@pytest.mark.parametrize(("same", "accuracy"), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (10, 1)])
def test_vqa_accuracy_leaves_out_each_person_in_turn(same, accuracy):
    people = ["stop"] * same + [f"other {i}" for i in range(10 - same)]
    assert text_vqa.accuracy("Stop.", people) == pytest.approx(accuracy)


def test_text_vqa_finds_its_question_in_the_prompt(tmp_path):
    asked = [
        {"image_id": "a1", "question": "What brand?", "answers": ["dakota"] * 10},
        {"image_id": "a1", "question": "What year?", "answers": ["1999"] * 3 + ["99"] * 7},
    ]
    whole(tmp_path / "q/textvqa/TextVQA_0.5.1_val.json", {"data": asked})
    how = "Answer the question using a single word or phrase."
    path = lines(
        tmp_path / "textvqa.jsonl",
        {"question_id": "a1", "prompt": f"What brand?\n{how}", "text": "Dakota"},
        {"question_id": "a1", "prompt": f"What year?\nReference OCR token: 1999\n{how}", "text": "1999"},
    )
    assert text_vqa.score(path, tmp_path / "q") == pytest.approx(95)
    path = lines(path, {"question_id": "a2", "prompt": f"What brand?\n{how}", "text": "Dakota"})
    with pytest.raises(ValueError, match=r"textvqa.jsonl must be about TextVQA's questions; it asks 'what brand\?' of"):
        text_vqa.score(path, tmp_path / "q")


def test_gqa_is_exact_over_the_balanced_questions(tmp_path):
    asked = {
        "1": {"answer": "yes", "isBalanced": True},
        "2": {"answer": "red", "isBalanced": True},
        "3": {"answer": "no", "isBalanced": False},
        "4": {"answer": "table", "isBalanced": True},
    }
    whole(tmp_path / "q/gqa/testdev_balanced_questions.json", asked)
    given = [("1", "Yes."), ("2", "dark red"), ("4", "TABLE")]
    path = lines(tmp_path / "gqa.jsonl", *({"question_id": name, "text": text} for name, text in given))
    assert gqa.score(path, tmp_path / "q") == pytest.approx(200 / 3)
    path = lines(path, {"question_id": "1", "text": "yes"})
    with pytest.raises(ValueError, match=r"gqa.jsonl must answer every balanced question of GQA; 2 is not answered"):
        gqa.score(path, tmp_path / "q")


@pytest.mark.parametrize(
    ("text", "yes"),
    [("Yes", True), ("No, there is not", False), ("There is no dog.", False), ("A dog. No cat.", True), ("NO", True)],
)
def test_pope_reads_yes_and_no(text, yes):
    assert pope.says_yes(text) == yes


def test_pope_is_the_mean_f1_of_three_categories(tmp_path):
    questions, answers = [], []
    # precision and recall: 1/2 and 1, 1 and 1/2, nothing right
    for category, labels, given in (
        ("adversarial", ["yes", "no"], ["Yes", "Yes"]),
        ("popular", ["yes", "yes"], ["Yes", "No"]),
        ("random", ["yes", "no"], ["no", "yes"]),
    ):
        lines(tmp_path / f"q/pope/coco/coco_pope_{category}.json", *({"label": label} for label in labels))
        for text in given:
            questions.append({"question_id": len(questions), "category": category})
            answers.append({"question_id": len(answers), "text": text})
    lines(tmp_path / "q/pope/llava_pope_test.jsonl", *questions)
    path = lines(tmp_path / "pope.jsonl", *answers)
    assert pope.score(path, tmp_path / "q") == pytest.approx(100 * (2 / 3 + 2 / 3 + 0) / 3)
    with pytest.raises(ValueError, match=r"must answer each of POPE's 2 random questions; it answers 1"):
        pope.score(lines(path, *answers[:-1]), tmp_path / "q")


def test_mm_vet_is_written_for_its_judge(tmp_path):
    path = lines(tmp_path / "mmvet.jsonl", {"question_id": 0, "text": "14"}, {"question_id": 7, "text": "a cat"})
    assert json.loads(mm_vet.export(path).read_text()) == {"v1_0": "14", "v1_7": "a cat"}
    assert mm_vet.judged(tmp_path) is None
    (tmp_path / mm_vet.JUDGED).write_text("33.1\n")
    assert mm_vet.judged(tmp_path) == 33.1
    (tmp_path / mm_vet.JUDGED).write_text("good")
    with pytest.raises(ValueError, match=r"mmvet_score.txt must hold one number between 0 and 100"):
        mm_vet.judged(tmp_path)
