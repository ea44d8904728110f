"""Answers as `lmms-eval --log_samples` writes them, `..._samples_TASK.jsonl`, scored by the same rules.

Its files say what the right answer is, so the benchmarks' own are not needed. Two scores are its own: TextVQA's, as
what ten people answered is not in its files, and MM-Vet's, which its judge gave.
"""

import json
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

from oraclecheck.answers import gqa, pope, science_qa
from oraclecheck.answers.predictions import read_json_lines

POPE_TASKS = {"adversarial": "pope_adv", "popular": "pope_pop", "random": "pope_random"}
"""Of its questions' kinds."""

TASKS = {
    "sqa": ("scienceqa_img",),
    "textvqa": ("textvqa_val",),
    "gqa": ("gqa",),
    "pope": tuple(POPE_TASKS.values()),
    "mmvet": ("mmvet",),
}
"""Benchmark -> the tasks that it is to lmms-eval."""


def samples(folder: Path) -> dict[str, Path]:
    """Benchmark's task -> the youngest file of its answers below a folder.

    Args:
        folder: Of a network's answers, which lmms-eval adds folders to.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*_samples_*.jsonl"), key=lambda path: path.name):  # a name begins with its date
        task = path.stem.partition("_samples_")[2]
        if any(task in tasks for tasks in TASKS.values()):
            found[task] = path
    return found


def scores(files: dict[str, Path]) -> dict[str, float | None]:
    """Benchmark -> percent, higher is better; what was not asked is left out.

    Args:
        files: What `samples` found.

    Raises:
        ValueError: If a file cannot be read, is about a part of its questions, or POPE lacks one of its kinds.
    """
    found: dict[str, float | None] = {}
    for benchmark, tasks in TASKS.items():
        here = [task for task in tasks if task in files]
        if not here:
            continue
        if missing := [task for task in tasks if task not in files]:
            raise ValueError(
                f"POPE must be asked all its kinds of questions; {files[here[0]].parent} lacks {missing[0]}"
            )
        found[benchmark] = _score(benchmark, [files[task] for task in tasks])
    return found


def _score(benchmark: str, files: list[Path]) -> float | None:
    answered = [_answered(path) for path in files]
    try:
        match benchmark:
            case "sqa":
                return _percent([science_qa.choice(_said(each)) == each["target"] for each in answered[0]])
            case "gqa":
                return _percent([gqa.handed_in(_said(each)) == each["target"] for each in answered[0]])
            case "pope":
                kinds = [([pope.says_yes(_said(each)) for each in kind], _labels(kind)) for kind in answered]
                return _percent([pope.f1(answers, labels) for answers, labels in kinds])
            case "textvqa":
                return _percent([float(each["exact_match"]) for each in answered[0]])
            case _:
                judged = [each["gpt_eval_score"] for each in answered[0]]
                if absent := sum(not each["eval_model"] for each in judged):
                    print(
                        f"oraclecheck: {files[0]}: left out; its judge did not answer {absent} of {len(judged)} times",
                        file=sys.stderr,
                    )
                    return None
                return _percent([float(each["score"]) for each in judged])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{files[0]} must be what lmms-eval wrote of {benchmark}: {error!r}") from None


def _answered(path: Path) -> list[dict[str, Any]]:
    lines = read_json_lines(path, "answers")
    if not lines:
        raise ValueError(f"{path} must hold answers; it is empty")
    date, _, task = path.stem.partition("_samples_")
    results = path.with_name(f"{date}_results.json")
    if results.is_file():
        try:
            asked = json.loads(results.read_bytes())["n-samples"][task]["original"]
        except (ValueError, KeyError, TypeError):
            return lines
        if asked != len(lines):
            raise ValueError(f"{path} must answer all {asked:,} questions; it answers {len(lines):,}")
    return lines


def _said(sample: dict[str, Any]) -> str:
    said = sample["filtered_resps"]
    return (said[0] if isinstance(said, list) else said).strip()


def _labels(kind: list[dict[str, Any]]) -> list[bool]:
    return [each["target"] != "no" for each in kind]


def _percent(shares: list[float] | list[bool]) -> float:
    return 100 * fmean(shares)
