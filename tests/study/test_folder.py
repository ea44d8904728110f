import json

import pytest

from networks.test_sizes import setting_of
from oraclecheck.study import folder as module
from oraclecheck.study.definition import study_of
from oraclecheck.study.folder import check_folder, open_folder, read_studies


def test_studies_are_read_from_a_study_and_from_a_folder_of_studies(tmp_path):
    for name in ("a", "b"):
        content = {"identity": {"study": name}, "definition": {"seed": 0}, "overrides": ["x=1"], "config": {"k": name}}
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.json").write_text(json.dumps(content))
    for name, overrides in (("numbers", [1]), ("text", "x=1")):
        wrong = {"identity": {"study": name}, "definition": {}, "overrides": overrides, "config": {}}
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.json").write_text(json.dumps(wrong))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "study.json").write_text("{")
    expected = {n: {"definition": {"seed": 0}, "overrides": ["x=1"], "config": {"k": n}} for n in ("a", "b")}
    assert read_studies(tmp_path) == expected
    assert list(read_studies(tmp_path / "b", tmp_path / "runs.csv")) == ["b"]


def test_study_file_is_the_first_writers(tmp_path, monkeypatch):
    """Two that found no folder: the second keeps the first's file, if it is of the same study."""
    study = study_of(setting_of(), "0" * 64)
    folder = tmp_path / study.name
    open_folder(folder, study, {"logger": "first"}, ["combo=1"])
    checks = iter([False])
    monkeypatch.setattr(module, "check_folder", lambda *args: next(checks, None) or check_folder(*args))
    open_folder(folder, study, {"logger": "second"}, [])
    content = json.loads((folder / "study.json").read_text())
    assert (content["config"], content["overrides"]) == ({"logger": "first"}, ["combo=1"])
    assert content["identity"] == study.columns


def test_folder_of_other_settings_is_refused_with_the_first_difference(tmp_path):
    study, other = study_of(setting_of(), "0" * 64), study_of(setting_of("retrain.epochs=20"), "0" * 64)
    open_folder(tmp_path, study, {}, [])
    assert check_folder(tmp_path, study) and not check_folder(tmp_path / "other", study)
    with pytest.raises(ValueError, match=r"retrain\.epochs is 10 instead of 20"):
        check_folder(tmp_path, other)
