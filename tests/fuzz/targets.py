"""What is fuzzed: each target makes input of one kind, wrong or hostile, and runs the commands that read it."""

import csv
import io
import json
import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.parquet
import torch
import yaml
from quick import QUICK

import test_cli
from fuzz.world import SWEEP, a_folder, call, make_base, nothing_runs
from oraclecheck import cli, status
from oraclecheck.command.composition import CONF, initialised
from oraclecheck.command.messages import _known_keys
from oraclecheck.command.schema import register
from oraclecheck.records.columns import NAMES, to_text
from oraclecheck.report import command as report
from records import test_claims, test_runs_file
from records.test_malformed import (
    cells,
    changes,
    junk,
    places,
    study_changes,
    study_with,
    with_junk,
)
from records.test_record import a_record


@dataclass(frozen=True)
class Target:
    """Input of one kind.

    Attributes:
        inputs: What it may be.
        check: Runs the commands that read it.
        share: Of all examples.
        corpus: Malformed input that has a test of its own.
    """

    inputs: st.SearchStrategy[Any]
    check: Callable[[Any], None]
    share: float
    corpus: Callable[[], Iterator[Any]] = lambda: iter(())


def _parameters(test: Any, name: str) -> list[Any]:
    """The values that a test is run with."""
    marks = (mark for mark in test.pytestmark if mark.name == "parametrize")
    for names, values in (mark.args for mark in marks):
        words = names.replace(",", " ").split() if isinstance(names, str) else list(names)
        if name in words:
            return [value[words.index(name)] if len(words) > 1 else value for value in values]
    raise AssertionError(f"no test of {name}")


@cache
def base() -> Path:
    """A study of three runs as a sweep leaves it."""
    return make_base(Path(mkdtemp(prefix="fuzz-")))


# command lines


@cache
def _keys() -> list[str]:
    register()
    with initialised():
        keys = _known_keys()
    # what is downloaded comes from elsewhere, and other folders to write to are the user's own choice
    return sorted({*keys, "hydra/launcher", "experiment", "hydra.launcher.n_jobs", "hydra.verbose"} - {*_LEFT_OUT})


_LEFT_OUT = ("data.download", "paths.out", "paths.cache", "paths")

_VALUES = (
    *(
        "0",
        "1",
        "-1",
        "1e400",
        "nan",
        "-inf",
        "null",
        "true",
        "''",
        "???",
        "all",
        "l1",
        "range(3)",
        "range(0,9,2)",
        "0,1",
    ),
    *("[]", "{}", "[1,2]", "{a: 1}", "{conv1: 0.5}", "{conv1: 0.2, conv2: 0.3}", "[[[1]]]", "glob(*)", "shuffle(1,2)"),
    *("choice(1,2)", "interval(0,1)", "sort(3,1)", "float(3)", "str([1])", "int(a)", "${model.name}", "${seed}", "${"),
    *(
        "${oc.env:HOME}",
        "${oc.env:NOTHING_AT_ALL}",
        "${count_classes:/}",
        "${hydra:job.num}",
        "../..",
        "/",
        "a/b",
        "\\",
    ),
    *(
        "mnist",
        "digits",
        "vgg19",
        "vit_b_16",
        "gpu",
        "cpu",
        "wandb",
        "basic",
        "joblib",
        "0-9",
        "9-0",
        "0-251,l1",
        "3" * 30,
    ),
    *(
        "os.getcwd",
        "torch.nn.Linear",
        "builtins.print",
        "nothing.at.all",
        "{_target_: os.getcwd}",
        "1_000",
        "0x10",
        "1:30",
    ),
)
_FLAGS = (
    "-m",
    "--multirun",
    "--cfg",
    "--cfg=job",
    "--cfg=all",
    "--resolve",
    "--info",
    "--info=plugins",
    "--version",
    "-h",
    "--hydra-help",
    "-p",
    "--package=model",
    "--run",
    "--shell-completion",
    "-sc=install=bash",
    "--config-dir",
    "--config-dir=.",
    "--config-dir=/proc",
    "-cd",
    "--",
    "-",
    "",
    "--experimental-rerun",
    "--config-name=x",
)

_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
_value = st.sampled_from(_VALUES) | _text | st.integers().map(str) | st.floats().map(str)
_signs = st.sampled_from(["", "", "", "", "", "+", "++", "~"])


@st.composite
def _override(draw: Any) -> str:
    key = draw(st.sampled_from(_keys()) | _text if draw(st.integers(0, 9)) else _text)
    return f"{draw(_signs)}{key}={draw(_value)}"


_words = st.one_of(_override(), _override(), _override(), st.sampled_from(_FLAGS), _text)
command_lines = st.lists(_words, min_size=1, max_size=4).flatmap(
    lambda words: st.sampled_from([words, ["-m", *words], [*words, "dry_run=true"], [*QUICK, *words]])
)


def check_command_line(arguments: list[str]) -> None:
    given = [argument.partition("=")[2].strip("'") for argument in arguments if argument.startswith("paths.")]
    also = tuple(folder for folder in given if folder and "\0" not in folder)
    with a_folder(base()), nothing_runs():
        call(cli.main, arguments, also)


def check_other_command_line(arguments: list[str]) -> None:
    with a_folder(base()):
        call(status.main, [argument for argument in arguments if argument != "--watch"])
        call(report.main, arguments)


_OTHER = (
    "--json",
    "multirun",
    "--out",
    "report",
    "--final",
    "best",
    "last",
    "--metric",
    "loss",
    "--by",
    "layers",
    "seed",
    "--format",
    "md",
    "latex",
    "json",
    "csv",
    "table",
    "--export",
    "report/runs.csv",
    "report/runs.txt",
    "--compare",
    "wandb:a",
    "wandb:a/b/c/d",
    "wandb:",
    "nothing",
    "/dev/null",
    ".",
    "/proc/self/mem",
    "multirun/dense",
    "--help",
    "--",
    "-x",
    "multirun/dense/../dense",
    "",
)


# files of --config-dir


_FILES = {"model": "model/lenet5_mini.yaml", "data": "data/digits.yaml", "retrain": "retrain/digits.yaml"}
_FILES |= {"experiment": "experiment/table2_conv1_0.2.yaml", "trainer": "trainer/default.yaml"}


@st.composite
def _configuration(draw: Any) -> tuple[str, bytes]:
    group = draw(st.sampled_from(sorted(_FILES)))
    text = (CONF / _FILES[group]).read_text()
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return group, draw(st.binary(max_size=60))
    if kind <= 2:
        start, length = draw(st.integers(0, len(text))), draw(st.integers(0, 20))
        return group, (text[:start] + draw(_text) + text[start + length :]).encode()
    content = yaml.safe_load(text)
    place = draw(st.sampled_from(list(places(content))))
    value = draw(_value | junk)
    head = "# @package _global_\n" if group == "experiment" else ""
    try:
        return group, (head + yaml.safe_dump(with_junk(content, place, value))).encode(errors="replace")
    except (yaml.YAMLError, RecursionError):
        return group, b""


def check_configuration(example: tuple[str, bytes]) -> None:
    group, content = example
    with a_folder(base()) as folder, nothing_runs():
        path = folder / "conf" / group / "mine.yaml"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        call(cli.main, ["-m", "--config-dir", "conf", f"{group}=mine", "logger=none"])


def _malformed_files() -> Iterator[tuple[str, bytes]]:
    for content in _parameters(test_cli.test_bad_configuration_file_is_one_sentence_with_its_place, "content"):
        yield "model", content if isinstance(content, bytes) else content.encode()


# records, studies, tables


REPORTED = 8  # of so many records one is reported on, which takes a second


def check_record(change: tuple[Any, Any]) -> None:
    with a_folder() as folder:
        study = study_with(folder, change)
        call(status.main, [str(study)])
        if len(repr(change)) % REPORTED == 0:
            call(report.main, [str(study), "--format", "json"], (str(study / "report"),))


def check_study(change: tuple[Any, Any]) -> None:
    with a_folder() as folder:
        (folder / "multirun").mkdir()
        study = study_with(folder / "multirun", (("combo",), 0), change)
        call(status.main, ["--json"])
        call(report.main, [str(study), "--by", "seed"])


def check_csv(change: tuple[Any, Any]) -> None:
    row = {name: to_text(name, value) or "" for name, value in vars(a_record()).items()}
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, NAMES)
    writer.writeheader()
    writer.writerows([row, cells(change)])
    _check_table("runs.csv", text.getvalue().encode())


def check_parquet(change: tuple[Any, Any]) -> None:
    row = {name: to_text(name, value) for name, value in vars(a_record()).items()}
    name, value = (change[0] or ("combo",))[0], change[1]
    try:
        pyarrow.parquet.write_table(pa.Table.from_pylist([{**row, name: value}]), buffer := io.BytesIO())
    except (pa.ArrowException, OverflowError, UnicodeError, TypeError):
        return  # which Parquet cannot hold
    _check_table("runs.parquet", buffer.getvalue())


_TABLE = "pruned_train_loss,final_test_accuracy,study,combo\n1,0.5,a,0\n2,0.25,a,1\n"


@st.composite
def _bytes_of_a_table(draw: Any) -> tuple[str, bytes]:
    if draw(st.booleans()):
        start, length = draw(st.integers(0, len(_TABLE))), draw(st.integers(0, 8))
        word = draw(
            _text | st.sampled_from(["..", "../..", "/etc", "/tmp", "1e999", "nan", '"', "\n", "0x1", "9" * 400])
        )
        return "runs.csv", (_TABLE[:start] + word + _TABLE[start + length :]).encode()
    rows = [vars(a_record(combo=combo)) for combo in range(2)]
    table = pa.Table.from_pylist([{name: to_text(name, value) for name, value in row.items()} for row in rows])
    pyarrow.parquet.write_table(table, buffer := io.BytesIO())
    content = bytearray(buffer.getvalue())
    for place in draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = draw(st.integers(0, 255))
    return "runs.parquet", bytes(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)


def check_bytes_of_a_table(example: tuple[str, bytes]) -> None:
    _check_table(*example)


def _check_table(name: str, content: bytes) -> None:
    with a_folder() as folder:
        (folder / name).write_bytes(content)
        (folder / "beside").mkdir()
        call(report.main, [name, "--metric", "loss"])


def _malformed_tables() -> Iterator[tuple[str, bytes]]:
    for text in _parameters(test_runs_file.test_file_that_holds_no_runs_is_refused_in_one_sentence, "text"):
        yield "runs.csv", text.encode()
    for study in ("..", "../..", "/tmp", "a/../../b", "-", ".", "x" * 300):
        yield "runs.csv", _TABLE.replace("a", study, 2).encode()


# what a sweep finds in its folder


_OF_A_SWEEP = (
    "study.json",
    "0/0/record.json",
    "1/0/record.json",
    "*.pt",
    "dense/evaluation*",
    "dense/proof*.json",
    ".cache/*.pt",
    "asked-*.json",
    "0/0/.claim",
    "dense/.*.claim",
    "removed.json",
    "l1/removed.json",
)


@st.composite
def _left_behind(draw: Any) -> tuple[str, str, Any]:
    pattern = draw(st.sampled_from(_OF_A_SWEEP))
    kind = draw(st.sampled_from(["bytes", "cut", "flip", "json", "json", "folder", "fifo", "gone", "link"]))
    place = draw(st.integers(0, 10**6))
    value = draw(junk if kind == "json" else st.binary(max_size=50))
    return pattern, kind, (place, value)


def check_left_behind(example: tuple[str, str, Any]) -> None:
    pattern, kind, (place, value) = example
    with a_folder(base()) as folder:
        out = folder / "multirun"
        found = [path for glob in (pattern, f"*/{pattern}") for path in sorted(out.glob(glob))]
        study = next(out.glob("lenet*"))
        path = found[0] if found else (study / pattern if "*" not in pattern else study / "asked-0.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes() if path.is_file() else b"{}"
        path.unlink(missing_ok=True)
        if kind == "bytes":
            path.write_bytes(value)
        elif kind == "cut":
            path.write_bytes(content[: place % (len(content) + 1)])
        elif kind == "flip":
            changed = bytearray(content)
            changed[place % len(content)] ^= 1 + place % 255
            path.write_bytes(bytes(changed))
        elif kind == "json":
            path.write_text(json.dumps(_with(content, place, value)))
        elif kind == "folder":
            path.mkdir()
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "link":
            path.symlink_to("nowhere")
        call(status.main, [])
        code, _, err = call(cli.main, SWEEP)
        if code == 0:
            assert len(list(study.glob("*/*/record.json"))) == 3, err
        call(status.main, ["--json"])


def _with(content: bytes, place: int, value: Any) -> Any:
    try:
        whole = json.loads(content)
    except ValueError:
        return value
    all_places = list(places(whole))
    return with_junk(whole, all_places[place % len(all_places)], value)


# checkpoints


class _Runs:
    """What must never be unpickled: it would make a file."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("unpickled",)


@st.composite
def _checkpoint(draw: Any) -> bytes:
    kind = draw(st.integers(0, 4))
    whole = next(base().glob("dense/*.pt")).read_bytes()
    if kind == 0:
        return whole[: draw(st.integers(0, len(whole)))]
    if kind == 1:
        content = bytearray(whole)
        for place in draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
            content[place] = draw(st.integers(0, 255))
        return bytes(content)
    if kind == 2:
        return draw(st.sampled_from([pickle.dumps(_Runs()), b"", b"PK\3\4", pickle.dumps({"state_dict": _Runs()})]))
    content = torch.load(io.BytesIO(whole), weights_only=True)
    state = content["state_dict"]
    tensors = st.sampled_from(
        [
            torch.zeros(()),
            torch.zeros(3, dtype=torch.complex64),
            torch.full((10, 1, 5, 5), torch.nan),
            torch.zeros(0),
            torch.zeros(2, 2).to_sparse(),
            torch.ones(10),
            torch.zeros(10, 1, 5, 5),
        ]
    )
    name = draw(st.sampled_from([*state]) | _text)
    value = draw(tensors | junk)
    if kind == 3:
        content["state_dict"] = {**state, name: value}
    else:
        content = {**content, draw(st.sampled_from([*content])): value}
    torch.save(content, buffer := io.BytesIO())
    return buffer.getvalue()


def check_checkpoint(content: bytes) -> None:
    with a_folder(base()) as folder:
        (folder / "mine.pt").write_bytes(content)
        call(cli.main, [*SWEEP, "pretrain.checkpoint=mine.pt"])
        assert not (folder / "unpickled").exists()


# notes of what was asked for, claims


_NOTE = {"label": "a", "dense": "a.pt", "combo": "0-2", "repeat": "0"}
_sets = st.sampled_from(
    ["0-2", "0-9999", "0-99999999", "l1", "", "-", "9" * 5000, "0-", "0,0", "all", "١", "../..", "\x1b[2J"]
)


@st.composite
def _note(draw: Any) -> Any:
    note = {**_NOTE, "combo": draw(_sets), "repeat": draw(st.sampled_from(["0", "0-9999", "1-0", "x"]))}
    value = draw(junk | st.sampled_from(["../..", "/etc/passwd", "\0", "a" * 300, "\x1b]0;x\a"]))
    return with_junk(note, draw(st.sampled_from(list(places(note)))), value) if draw(st.booleans()) else note


def check_note(note: Any) -> None:
    with a_folder(None) as folder:
        pending = folder / "multirun/.asked"
        pending.mkdir(parents=True)
        (pending / "0123456789abcdef-asked-0.json").write_text(json.dumps(note))
        study = study_with(folder / "multirun", (("combo",), 0))
        (study / "asked-0.json").write_text(json.dumps(note))
        _, out, _ = call(status.main, [])
        assert "\x1b" not in out
        call(status.main, ["--json"])


_CLAIM = b"filelock/2\npid=1\nhost=somewhere\n"
_claims = st.binary(max_size=80) | st.tuples(st.integers(0, len(_CLAIM)), st.binary(max_size=9)).map(
    lambda cut: _CLAIM[: cut[0]] + cut[1] + _CLAIM[cut[0] + 1 :]
)


def check_claim(content: bytes) -> None:
    with a_folder() as folder:
        study = study_with(folder, (("combo",), 0))
        for place in ("4/0", "2/0", "1/0"):
            (study / place / ".claim").write_bytes(content)
        call(status.main, [str(study)])
        call(status.main, [str(study), "--json"])


TARGETS = {
    "command lines": Target(
        command_lines,
        check_command_line,
        0.05,
        lambda: iter(_parameters(test_cli.test_bad_input_is_one_sentence_before_anything_runs, "arguments")),
    ),
    "command lines of status and report": Target(
        st.lists(st.sampled_from(_OTHER) | _text, max_size=5), check_other_command_line, 0.04
    ),
    "files of --config-dir": Target(_configuration(), check_configuration, 0.025, _malformed_files),
    "records": Target(changes, check_record, 0.08),
    "studies' files": Target(study_changes, check_study, 0.14),
    "CSV files, a value": Target(changes, check_csv, 0.14),
    "Parquet files, a value": Target(changes, check_parquet, 0.14),
    "CSV and Parquet files, bytes": Target(_bytes_of_a_table(), check_bytes_of_a_table, 0.14, _malformed_tables),
    "what a sweep finds in its folder": Target(_left_behind(), check_left_behind, 0.015),
    "checkpoints": Target(_checkpoint(), check_checkpoint, 0.02),
    "notes of what was asked for": Target(_note(), check_note, 0.11),
    "claims": Target(
        _claims,
        check_claim,
        0.1,
        lambda: iter(_parameters(test_claims.test_claim_that_says_nothing_is_free_after_a_while, "content")),
    ),
}
