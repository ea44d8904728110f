"""Files of predictions and of questions, as LLaVA-1.5's evaluation scripts write and read them."""

import json
from pathlib import Path
from typing import Any

from oraclecheck.errors import first_line


def read_predictions(path: Path) -> list[dict[str, Any]]:
    """The predictions of a JSON Lines file: `question_id`, `text`, and whatever else a line says.

    Raises:
        ValueError: If it cannot be read, or a line has no answer.
    """
    rule = f"{path} must hold a prediction a line, with question_id and text"
    try:
        lines = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line.strip()]
    except (OSError, ValueError) as error:
        raise ValueError(f"{rule}: {first_line(error)}") from None
    for number, line in enumerate(lines, 1):
        if not isinstance(line, dict) or "question_id" not in line or not isinstance(line.get("text"), str):
            raise ValueError(f"{rule}; line {number} has not")
    if not lines:
        raise ValueError(f"{rule}; it is empty")
    return lines


def read_json(path: Path) -> Any:
    """The content of a benchmark's JSON file.

    Raises:
        ValueError: If it cannot be read.
    """
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"--questions must hold {path.name}, which cannot be read: {first_line(error)}") from None


def read_json_lines(path: Path, whose: str = "--questions") -> list[dict[str, Any]]:
    """The lines of a JSON Lines file.

    Args:
        path: The file.
        whose: What has to hold it, for messages.

    Raises:
        ValueError: If it cannot be read.
    """
    try:
        return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line.strip()]
    except (OSError, ValueError) as error:
        raise ValueError(f"{whose} must hold {path.name}, which cannot be read: {first_line(error)}") from None


def by_question(predictions: list[dict[str, Any]], path: Path) -> dict[str, dict[str, Any]]:
    """Question's id, as text -> its prediction.

    Raises:
        ValueError: If a question has two.
    """
    found = {str(each["question_id"]): each for each in predictions}
    if len(found) < len(predictions):
        raise ValueError(f"{path} must answer each question once; it has {len(predictions)} lines for {len(found)}")
    return found
