"""Finished studies as small folders that others can build on: `python -m oraclecheck.publish multirun/STUDY...`."""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oraclecheck.exits import USER_ERROR, Parser
from oraclecheck.waiting import waiting

_OF_MACHINE = ("paths.", "data.root=", "data.download=", "pretrain.checkpoint=")
"""What the words of a command begin with that say where something lies."""


def main(argv: Sequence[str] | None = None) -> int:
    """Publish studies; returns the exit code.

    0: every study was published. 2: one was not, for the reason that a line gives; those before it were.

    Args:
        argv: Command line without the program's name; None reads `sys.argv`.
    """
    parser = Parser(prog="python -m oraclecheck.publish", description=__doc__)
    parser.add_argument("studies", nargs="+", type=Path, metavar="STUDY", help="a study's folder, multirun/<study>")
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="default: results/")
    options = parser.parse_args(argv)
    try:
        for study in options.studies:
            with waiting(f"publishing {study.name}"):
                size, runs = publish(study, options.out)
            print(f"{options.out / study.resolve().name}: {runs:,} runs, {size / 1000:,.0f} kB")
    except NotADirectoryError:
        print(f"oraclecheck: --out must be a folder; got {options.out}, a file", file=sys.stderr)
        return USER_ERROR
    except (ValueError, OSError) as error:
        print(f"oraclecheck: {' '.join(str(error).split())}", file=sys.stderr)
        return USER_ERROR
    return 0


def publish(study: Path, out: Path) -> tuple[int, int]:
    """Put a study's outcomes into a folder that is read like any study's, in `runs.parquet` instead of many records.

    Left out are what each test image came to, and paths of this machine. With it go the dense network, into `dense/`
    beside it, and the scores of criteria.

    Args:
        study: The study's folder.
        out: The folder of published studies.

    Returns:
        Bytes of the study's folder, and its runs.

    Raises:
        ValueError: If it is no study's folder, a run has no outcome, or its dense network or data are not there.
    """
    from oraclecheck.command.stored_study import StoredStudy
    from oraclecheck.files import create_atomically, write_atomically, write_json
    from oraclecheck.pipelines.dense import dense_path
    from oraclecheck.records.runs_file import write_parquet
    from oraclecheck.records.scores import SCORES
    from oraclecheck.records.table import load_runs
    from oraclecheck.study.folder import RUNS_FILE, STUDY_FILE, TRAIN_EVAL_FILE

    stored = StoredStudy.of(study)
    study, runs = stored.folder, load_runs(study)
    without = (~runs["status"].isin(["ok", "diverged"])).sum()
    if without:
        raise ValueError(
            f"STUDY must have an outcome of every run that was begun; {study.name} lacks {without}: let the sweep's "
            "command do them first"
        )
    folder, content, pretrain = out / study.name, json.loads((study / STUDY_FILE).read_text()), stored.setting.pretrain
    if folder.resolve() == study.resolve():
        raise ValueError(f"--out must be another folder than the study's own; got {out}")
    config = _anywhere(content["config"])
    if not pretrain.weights:  # torchvision's are at hand for everybody
        dense = dense_path(stored.setting)
        copied = out / "dense" / dense.name
        copied.parent.mkdir(parents=True, exist_ok=True)
        create_atomically(copied, lambda file: file.write(dense.read_bytes()))
        if copied.read_bytes() != dense.read_bytes():
            raise ValueError(
                f"--out must hold no other dense network of the same recipe; {copied} differs from that of "
                f"{study.name}, trained on another machine: name another folder"
            )
        if pretrain.checkpoint:
            config["pretrain"] = {**config["pretrain"], "checkpoint": str(copied)}
    (folder / SCORES).mkdir(parents=True, exist_ok=True)
    for path in [*(study / SCORES).glob("*.parquet"), *study.glob(TRAIN_EVAL_FILE)]:
        shutil.copyfile(path, folder / path.relative_to(study))
    small = runs.assign(final_test_correct=None)
    write_atomically(folder / RUNS_FILE, lambda file: write_parquet(small, file))
    words = [word for word in content["overrides"] if not word.startswith(_OF_MACHINE)]
    write_json(folder / STUDY_FILE, {**content, "overrides": words, "config": config})
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()), len(runs)


def _anywhere(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with the data where the reader has them, and the studies where they are published."""
    root = "${oc.env:ORACLECHECK_DATA,data}"
    data = dict(config["data"])
    source = data.get("source")
    if data.get("root"):
        if isinstance(source, dict) and source.get("root") == data["root"]:
            data["source"] = {**source, "root": root}
        data["root"] = root
    return {**config, "data": data, "paths": {"out": "results", "cache": "results/.cache"}}


if __name__ == "__main__":
    sys.exit(main())
