"""MM-Vet (Yu et al., arXiv 2308.02490): answers for its judge, GPT-4, whose score nobody can compute here."""

import json
from pathlib import Path

from oraclecheck.answers.predictions import read_predictions
from oraclecheck.files import write_atomically

FOR_JUDGE = "mmvet_for_judge.json"
JUDGED = "mmvet_score.txt"
"""Beside the predictions: what is handed to the judge, and one number that it said, in percent."""


def export(path: Path) -> Path:
    """Write the answers as MM-Vet's evaluator takes them; gives the file.

    Args:
        path: The predictions.

    Raises:
        ValueError: If they cannot be read.
    """
    return write_for_judge(path, {f"v1_{each['question_id']}": each["text"] for each in read_predictions(path)})


def write_for_judge(path: Path, answers: dict[str, str]) -> Path:
    """Write answers as MM-Vet's evaluator takes them; gives the file.

    Args:
        path: Of the predictions, which it lies beside.
        answers: Question's id -> answer.
    """
    content = json.dumps(answers, indent=2).encode()
    target = path.with_name(FOR_JUDGE)
    write_atomically(target, lambda file: file.write(content))
    return target


def judged(folder: Path) -> float | None:
    """What the judge said; None while it has said nothing.

    Raises:
        ValueError: If its file holds no percentage.
    """
    path = folder / JUDGED
    if not path.is_file():
        return None
    try:
        found = float(path.read_text())
    except ValueError:
        found = -1.0
    if not 0 <= found <= 100:
        raise ValueError(f"{path} must hold one number between 0 and 100, what MM-Vet's evaluator said")
    return found
