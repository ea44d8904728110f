"""`python -m oraclecheck.audit` over studies that were really run."""

from pathlib import Path

import pytest
from quick import QUICK

from oraclecheck.audit import main


@pytest.fixture
def pair(command):
    """A study and what became of it with another retraining."""

    def run(*words: str) -> list[str]:
        for out, own in (("a", ()), ("b", words)):
            assert command(*QUICK, "logger=none", f"paths.out={out}", *own)[0] == 0
        return [str(next(Path(out).glob("lenet*"))) for out in "ab"]

    return run


def test_audit_says_what_two_studies_meet_and_why_not_more(pair, capsys):
    folders = pair("retrain.lr='0: 1e-2'")
    assert main(folders) == 0
    told = capsys.readouterr().out
    assert "S3.1" in told and "retrain.schedule is" in told and "1.99x" in told
    assert main([*folders, "--at-least", "S3.1"]) == 0 and main([*folders, "--at-least", "S3.2"]) == 1


def test_study_that_has_only_begun_is_audited_as_far_as_its_file_goes(pair, capsys):
    folders = pair("retrain.lr='0: 1e-2'")
    for record in Path(folders[1]).glob("*/*/record.json"):
        record.unlink()
    assert main([*folders, "--at-least", "S1"]) == 1
    told = capsys.readouterr().out
    assert "the speed-up of" in told and "not known before it has a record" in told and "retrain.schedule is" in told


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["a"], "audit needs the folders of two studies or more; got a"),
        (["a", "b"], "audit needs folders of one study each; a has 0"),
        (["a", "b", "--at-least", "S9"], "--at-least must be one of S1, S2,"),
    ],
)
def test_audit_of_what_is_no_pair_is_one_sentence(capsys, arguments, says):
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert says in err and len(err.splitlines()) == 1
