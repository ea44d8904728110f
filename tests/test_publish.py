"""`python -m oraclecheck.publish`: a published study is read like the one it was made of."""

import json
import os
import shutil

import pandas as pd
import pytest
from quick import QUICK

import oraclecheck as oc
from oraclecheck.cli import main as sweep
from oraclecheck.command.stored_study import StoredStudy
from oraclecheck.publish import main
from oraclecheck.records.scores import read_scores, scores_path
from oraclecheck.score import main as score
from oraclecheck.status import main as status


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A study of three combinations, two repeats each, with its scores."""
    out = tmp_path_factory.mktemp("swept")
    assert sweep([*QUICK, "logger=none", f"paths.out={out}", 'combo="0-2"', 'repeat="0,1"']) == 0
    (study,) = out.glob("lenet*/")
    assert score([str(study), "criterion=l1"]) == 0
    return study


def test_published_runs_are_those_of_the_records_without_their_images(swept, capsys):
    assert main([str(swept)]) == 0
    assert capsys.readouterr().out.startswith(f"results/{swept.name}: 6 runs, ")
    published, recorded = oc.load_runs("results"), oc.load_runs(swept)
    pd.testing.assert_frame_equal(published, recorded.assign(final_test_correct=published["final_test_correct"]))
    assert published["final_test_correct"].isna().all() and recorded["final_test_correct"].notna().all()
    pd.testing.assert_frame_equal(oc.correlate(published), oc.correlate(recorded))
    assert status(["results", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["study"], row["asked"], row["done"], row["missing"]) == (swept.name, 6, 6, 0)


def test_place_that_is_a_file_is_refused(swept, tmp_path, capsys):
    (tmp_path / "results").write_text("")
    assert main([str(swept)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "oraclecheck: --out must be a folder; got results, a file"


def test_published_study_is_scored_like_its_model(swept, tmp_path):
    assert main([str(swept), "--out", "elsewhere/results"]) == 0
    shutil.move("elsewhere", "moved")
    study = tmp_path / "moved" / "results" / swept.name
    one, other = StoredStudy.of(study), StoredStudy.of(swept)
    assert one.study.hash == other.study.hash
    assert all(map(lambda a, b: a.equal(b), one.network.parameters(), other.network.parameters()))
    assert read_scores(scores_path(study, "l1")) == read_scores(scores_path(swept, "l1"))
    assert score([str(study), "criterion=l2"]) == 0
    assert set(read_scores(scores_path(study, "l2")).values) == {"0", "1", "2"}


def test_published_study_names_no_folder_of_this_machine(swept, tmp_path):
    assert main([str(swept)]) == 0
    said = json.loads((tmp_path / "results" / swept.name / "study.json").read_text())
    assert os.sep + "tmp" not in json.dumps(said) and str(swept.parent) not in json.dumps(said)
    assert said["definition"] == json.loads((swept / "study.json").read_text())["definition"]


def test_runs_of_another_study_are_refused(swept, tmp_path):
    assert main([str(swept)]) == 0
    (folder,) = (tmp_path / "results").glob("lenet*/")
    runs = oc.load_runs(folder)
    oc.save_runs(runs.assign(dense_hash="0" * 64), folder / "runs.parquet")
    with pytest.raises(ValueError, match="dense_hash must be that of its study"):
        oc.load_runs(folder)


def test_study_without_all_outcomes_is_not_published(swept, tmp_path, capsys):
    shutil.copytree(swept.parent, tmp_path / "begun")
    study = tmp_path / "begun" / swept.name
    (study / "2" / "1" / "record.json").unlink()
    assert main([str(study)]) == 2
    assert f"{swept.name} lacks 1" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_what_is_no_study_is_refused_in_a_sentence(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "STUDY must be a study's folder" in capsys.readouterr().err


def test_study_is_not_published_onto_itself(swept, capsys):
    before = (swept / "study.json").read_bytes()
    assert main([str(swept), "--out", str(swept.parent)]) == 2
    assert "another folder than the study's own" in capsys.readouterr().err
    assert (swept / "study.json").read_bytes() == before and not (swept / "runs.parquet").exists()


def test_dense_network_of_another_machine_is_not_taken_for_this_one(swept, tmp_path, capsys):
    (dense,) = (swept.parent / "dense").glob("*.pt")
    other = tmp_path / "results" / "dense" / dense.name
    other.parent.mkdir(parents=True)
    other.write_bytes(b"another")
    assert main([str(swept)]) == 2
    assert "trained on another machine" in capsys.readouterr().err and other.read_bytes() == b"another"
