"""ScienceQA's questions with an image (Lu et al., arXiv 2209.09513), a choice being read off an answer as LLaVA does.

An answer counts if it is a letter, begins with a letter and ". ", or says "The answer is X" once and then anything.
Questions without an image, whose prompt has no `<image>`, do not count.
"""

import re
from pathlib import Path

from oraclecheck.answers.predictions import by_question, read_json, read_predictions

LETTERS = "ABCDE"


def choice(text: str) -> str | None:
    """The letter that an answer chooses; None if it is none or several."""
    if len(text) == 1 and text in LETTERS:
        return text
    if len(text) >= 3 and text[0] in LETTERS and text[1:3] == ". ":
        return text[0]
    said = re.findall(r"The answer is ([A-Z]).", text)
    return said[0] if len(said) == 1 else None


def score(path: Path, questions: Path) -> float:
    """Percent of the questions with an image that are answered rightly.

    Args:
        path: The predictions; `prompt` says whether there was an image.
        questions: Folder of the benchmarks, with `scienceqa/problems.json` and `scienceqa/pid_splits.json`.

    Raises:
        ValueError: If a file cannot be read, or none of the questions has an image.
    """
    problems = read_json(questions / "scienceqa" / "problems.json")
    split = read_json(questions / "scienceqa" / "pid_splits.json")["test"]
    answered = by_question(read_predictions(path), path)
    right = []
    for name in split:
        given = answered.get(str(name), {"text": "", "prompt": ""})
        if "<image>" not in given.get("prompt", ""):
            continue
        problem = problems[str(name)]
        letter = choice(given["text"])
        offered = LETTERS[: len(problem["choices"])]
        right.append(letter is not None and letter in offered and offered.index(letter) == problem["answer"])
    if not right:
        raise ValueError(
            f"{path} must answer questions of ScienceQA's test split whose prompt has <image>; it has none"
        )
    return 100 * sum(right) / len(right)
