"""GQA (Hudson and Manning, arXiv 1902.09506): exact answers to the balanced questions, as LLaVA-1.5 hands them in."""

from pathlib import Path

from oraclecheck.answers.predictions import by_question, read_json, read_predictions


def handed_in(text: str) -> str:
    """An answer in lower case without periods at its end."""
    return text.rstrip(".").lower()


def score(path: Path, questions: Path) -> float:
    """Percent of the balanced questions that are answered exactly.

    Args:
        path: The predictions.
        questions: Folder of the benchmarks, with `gqa/testdev_balanced_questions.json`.

    Raises:
        ValueError: If a file cannot be read, or a question is not answered.
    """
    asked = read_json(questions / "gqa" / "testdev_balanced_questions.json")
    answered = by_question(read_predictions(path), path)
    right = []
    for name, question in asked.items():
        if question.get("isBalanced", True):
            if name not in answered:
                raise ValueError(f"{path} must answer every balanced question of GQA; {name} is not answered")
            right.append(handed_in(answered[name]["text"]) == question["answer"])
    return 100 * sum(right) / len(right)
