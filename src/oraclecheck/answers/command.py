"""Scores what the networks of a study answered, and prints it as the paper's Table A6 does.

Answers lie where a network's record lies, in STUDY/COMBINATION/REPEAT/answers, and those of the dense network in
STUDY/dense/answers: what lmms-eval wrote there with --log_samples, or NAME.jsonl as LLaVA-1.5's scripts write it,
which is scored with the benchmarks' own files. NAME is sqa, textvqa, gqa, pope or mmvet; what is not there is left out.
DIR is the folder of LLaVA-1.5's evaluation, playground/data/eval. MM-Vet's answers are written for its judge,
mmvet_for_judge.json; what the judge says is read from mmvet_score.txt beside them.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from oraclecheck.exits import Parser, code_of

FOLDER, DENSE = "answers", "dense"
"""Of a network's predictions, and of the dense network in a study's folder."""


def main(argv: Sequence[str] | None = None) -> int:
    """Score answers; returns the exit code.

    0: what there is, is scored. 2: the user has to mend something, and a line says what.

    Args:
        argv: Command line without the program's name; None reads `sys.argv`.
    """
    parser = Parser(prog="python -m oraclecheck.answers", description=__doc__)
    parser.add_argument("studies", nargs="+", metavar="STUDY", help="folders of studies, multirun/<study>")
    parser.add_argument("--questions", metavar="DIR", type=Path, help="folder of the benchmarks' own files")
    parser.add_argument("--format", choices=("table", "md", "latex"), default="table", help="what is printed")
    options = parser.parse_args(argv)

    def print_all() -> None:
        for study in options.studies:
            _print(Path(study), options.questions, options.format)

    return code_of(print_all)


def _print(study: Path, questions: Path | None, form: str) -> None:
    from oraclecheck.answers.layout import answers_layout, published_layout
    from oraclecheck.report.printing import print_layouts
    from oraclecheck.report.typesetting import latex, markdown

    layouts = [answers_layout(study.resolve().name, study_rows(study, questions)), published_layout()]
    if form == "table":
        print_layouts(layouts)
    else:
        print("\n".join((markdown if form == "md" else latex)(layout) for layout in layouts), end="")


def study_rows(study: Path, questions: Path | None) -> list:
    """A row for the dense network and one for each combination whose answers are there, the mean of its repeats.

    Args:
        study: The study's folder.
        questions: See `main`.

    Raises:
        ValueError: If there are no answers, or something cannot be scored.
    """
    from oraclecheck.answers.table import Row, mean_row
    from oraclecheck.records.folder import load_study
    from oraclecheck.study.folder import STUDY_FILE

    if not (study / STUDY_FILE).is_file():
        raise ValueError(f"STUDY must be a study's folder, with a {STUDY_FILE}; got {study}")
    runs = load_study(study)
    rows: list[Row] = []
    repeats: dict[int, list[Row]] = {}
    ways: dict[tuple[str, bool], Path] = {}

    def row_of(name: str, loss: float | None, folder: Path) -> Row:
        found, by_lmms_eval = scores(folder, questions)
        for benchmark in (name for name, score in found.items() if score is not None):
            is_lmms_eval = benchmark in by_lmms_eval
            ways.setdefault((benchmark, is_lmms_eval), folder)
            if other := ways.get((benchmark, not is_lmms_eval)):
                raise ValueError(
                    f"{study} must be asked {benchmark} in one way; of {folder} and {other}, lmms-eval asked one alone"
                )
        return Row(name, loss, found, by_lmms_eval)

    if (study / DENSE / FOLDER).is_dir():
        rows.append(row_of(DENSE, None, study / DENSE / FOLDER))
    for _, run in runs[runs["status"] == "ok"].iterrows():
        folder = study / str(run["combo"]) / str(run["repeat"]) / FOLDER
        if folder.is_dir():
            method, noise = run["removed"]["method"], run["removed"]["noise"]
            name = f"{method}, noise {noise:g}, combination {run['combo']}" if noise else method
            row = row_of(name, float(run["pruned_train_loss"]), folder)
            repeats.setdefault(run["combo"], []).append(row)
    rows += [mean_row(repeats[combination]) for combination in sorted(repeats)]
    if not rows:
        raise ValueError(f"{study} must have answers, such as {study}/0/0/{FOLDER}/sqa.jsonl; it has none")
    return rows


def scores(folder: Path, questions: Path | None) -> tuple[dict[str, float | None], frozenset[str]]:
    """Benchmark -> percent, None where there are no answers, and the benchmarks that lmms-eval asked.

    MM-Vet's answers are written for its judge.

    Args:
        folder: Of the answers.
        questions: Of the benchmarks, which files like LLaVA-1.5's need.

    Raises:
        ValueError: If something cannot be scored, or was answered in both ways.
    """
    from oraclecheck.answers import gqa, lmms_eval, mm_vet, pope, science_qa, text_vqa

    rules: dict[str, Callable[[Path, Path], float]] = {
        "sqa": science_qa.score,
        "textvqa": text_vqa.score,
        "gqa": gqa.score,
        "pope": pope.score,
    }
    found = lmms_eval.scores(lmms_eval.samples(folder))
    by_lmms_eval = frozenset(found)
    for name in lmms_eval.TASKS:
        path = folder / f"{name}.jsonl"
        if path.is_file() and name in found:
            raise ValueError(f"{folder} must hold answers once; it has {path.name} and what lmms-eval wrote")
        if path.is_file() and name in rules:
            if questions is None:
                raise ValueError(f"--questions must say where the benchmarks' own files are; {path} is scored by them")
            found[name] = rules[name](path, questions)
    if (folder / "mmvet.jsonl").is_file():
        mm_vet.export(folder / "mmvet.jsonl")
    judged = mm_vet.judged(folder)
    if judged is not None and found.get("mmvet") is not None:
        raise ValueError(f"{folder} must hold one score of MM-Vet; it has {mm_vet.JUDGED} and lmms-eval's judge's")
    found["mmvet"] = found.get("mmvet") if judged is None else judged
    return {**dict.fromkeys(rules), **found}, by_lmms_eval
