"""Answers as `lmms-eval --log_samples` writes them, `..._samples_TASK.jsonl`, scored by the same rules.

Its files say what the right answer is, so the benchmarks' own are not needed. Two scores are its own: TextVQA's, as
what ten people answered is not in its files, and MM-Vet's, which its judge gave. Its questions are not LLaVA-1.5's in
every word: see `DIFFERENCES`.
"""

import json
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

from oraclecheck.answers import gqa, mm_vet, pope, science_qa
from oraclecheck.answers.predictions import read_json_lines

POPE_TASKS = ("pope_adv", "pope_pop", "pope_random")

TASKS = {
    "sqa": ("scienceqa_img",),
    "textvqa": ("textvqa_val",),
    "gqa": ("gqa",),
    "pope": POPE_TASKS,
    "mmvet": ("mmvet",),
}
"""Benchmark -> the tasks that it is to lmms-eval."""

_POPE_AT_ONCE = "pope"  # whose files do not say which kind a question is of

DIFFERENCES = (
    "asked by lmms-eval, whose questions are not all those of Table A6: TextVQA's come without OCR tokens, MM-Vet's "
    "ask for reasoning first and have another judge"
)


def samples(folder: Path) -> dict[str, Path]:
    """Benchmark's task -> the youngest file of its answers below a folder.

    Args:
        folder: Of a network's answers, which lmms-eval adds folders to.

    Raises:
        ValueError: If POPE was asked without telling its kinds of questions apart.
    """
    known = {task for tasks in TASKS.values() for task in tasks}
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*_samples_*.jsonl"), key=lambda path: path.name):  # a name begins with its date
        task = path.stem.partition("_samples_")[2]
        if task in known or task == _POPE_AT_ONCE:
            found[task] = path
    if (at_once := found.pop(_POPE_AT_ONCE, None)) and not found.keys() & {*POPE_TASKS}:
        raise ValueError(f"POPE must be asked as --tasks {','.join(POPE_TASKS)}; {at_once} does not tell them apart")
    return found


def scores(files: dict[str, Path]) -> dict[str, float | None]:
    """Benchmark -> percent, higher is better; None where its judge is missing; what was not asked is left out.

    MM-Vet's answers that were not judged are written for its judge, in the folder of their file.

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
            place = files[here[0]].parent
            raise ValueError(f"POPE must be asked all its kinds of questions; {place} lacks {missing[0]}")
        paths = [files[task] for task in tasks]
        try:
            found[benchmark] = _score(benchmark, paths, [_answered(path) for path in paths])
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"{paths[0]} must be what lmms-eval writes of {benchmark}: {error!r}") from None
    return found


def _score(benchmark: str, files: list[Path], answered: list[list[dict[str, Any]]]) -> float | None:
    first, file = answered[0], files[0]
    match benchmark:
        case "sqa":
            return _percent([float(science_qa.choice(_said(each)) == each["target"]) for each in first], file)
        case "gqa":
            return _percent([float(gqa.handed_in(_said(each)) == _target(each)) for each in first], file)
        case "pope":
            kinds = zip(answered, files, strict=True)
            return _percent([pope.f1([pope.says_yes(_said(each)) for each in kind], _labels(kind, path)) for kind, path
                             in kinds], file)  # fmt: skip
        case "textvqa":
            return _percent([each["exact_match"] for each in first], file)
        case _:
            judged = [each["gpt_eval_score"] for each in first]
            if absent := sum(not each["eval_model"] for each in judged):
                target = mm_vet.write_for_judge(file, {each["question_id"]: each["pred_answer"] for each in judged})
                print(
                    f"oraclecheck: {file}: left out, as its judge did not answer {absent} of {len(judged)} times; the "
                    f"answers are in {target.name} for it",
                    file=sys.stderr,
                )
                return None
            return _percent([each["score"] for each in judged], file)


def _answered(path: Path) -> list[dict[str, Any]]:
    """The answers of a file, all of them there."""
    lines = read_json_lines(path, "answers")
    date, _, task = path.stem.partition("_samples_")
    results = path.with_name(f"{date}_results.json")
    try:
        asked = json.loads(results.read_bytes())["n-samples"][task]["original"]
    except (OSError, ValueError, LookupError, TypeError):
        asked = None
    if type(asked) is not int:
        raise ValueError(f"{path} must lie beside {results.name}, which says how many questions there are")
    if not asked or len({each["doc_id"] for each in lines}) != len(lines) or len(lines) != asked:
        raise ValueError(f"{path} must answer each of {asked:,} questions once; it has {len(lines):,} answers")
    if failed := sum(each["filtered_resps"] in ("", [""]) and each.get("token_counts") == [None] for each in lines):
        raise ValueError(f"{path} must hold answers; {failed:,} of {len(lines):,} failed: see what lmms-eval printed")
    if empty := sum(not _said(each) for each in lines):
        print(f"oraclecheck: {path}: {empty:,} of {len(lines):,} answers are empty", file=sys.stderr)
    return lines


def _said(sample: dict[str, Any]) -> str:
    said = sample["filtered_resps"]
    return (said[0] if isinstance(said, list) else said).strip()


def _target(sample: dict[str, Any]) -> str:
    return sample["target"].strip().lower()


def _labels(kind: list[dict[str, Any]], path: Path) -> list[bool]:
    targets = [_target(each) for each in kind]
    if unknown := [target for target in targets if target not in ("yes", "no")]:
        raise ValueError(f"{path} must be about questions whose answer is yes or no; got {unknown[0]}")
    return [target == "yes" for target in targets]


def _percent(shares: list[float], path: Path) -> float:
    for share in shares:
        if not 0 <= share <= 1:
            raise ValueError(f"{path} must hold scores between 0 and 1; got {share}")
    return 100 * fmean(shares)
