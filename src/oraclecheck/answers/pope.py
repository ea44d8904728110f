"""POPE (Li et al., arXiv 2305.10355): is there such a thing in the image? The mean F1 of its three kinds of questions.

An answer is no if the words of its first sentence, without commas, have "No", "not" or "no" among them; else yes.
"""

from pathlib import Path

from oraclecheck.answers.predictions import read_json_lines, read_predictions

CATEGORIES = ("adversarial", "popular", "random")


def says_yes(text: str) -> bool:
    """Whether an answer is yes."""
    words = text.split(".")[0].replace(",", "").split(" ")
    return not {"No", "not", "no"} & {*words}


def f1(answers: list[bool], labels: list[bool]) -> float:
    """F1 of yes, in [0, 1]; 0 where no right answer is yes."""
    right = sum(answer and label for answer, label in zip(answers, labels, strict=True))
    return 2 * right / (sum(answers) + sum(labels)) if right else 0.0


def score(path: Path, questions: Path) -> float:
    """Mean F1 in percent over the categories.

    Args:
        path: The predictions, in each category in the order of its questions.
        questions: Folder of the benchmarks, with `pope/llava_pope_test.jsonl` and `pope/coco/coco_pope_*.json`.

    Raises:
        ValueError: If a file cannot be read, or there are not as many answers as questions.
    """
    category = {
        each["question_id"]: each["category"] for each in read_json_lines(questions / "pope" / "llava_pope_test.jsonl")
    }
    predictions = read_predictions(path)
    if unknown := [each["question_id"] for each in predictions if each["question_id"] not in category]:
        raise ValueError(f"{path} must be about POPE's questions; {unknown[0]} is none")
    found = []
    for name in CATEGORIES:
        labels = read_json_lines(questions / "pope" / "coco" / f"coco_pope_{name}.json")
        answers = [says_yes(each["text"]) for each in predictions if category[each["question_id"]] == name]
        if len(answers) != len(labels):
            raise ValueError(
                f"{path} must answer each of POPE's {len(labels)} {name} questions; it answers {len(answers)}"
            )
        found.append(f1(answers, [each["label"] != "no" for each in labels]))
    return 100 * sum(found) / len(found)
