import json

from oraclecheck.study import read_settings


def test_settings_are_read_from_a_study_and_from_a_folder_of_studies(tmp_path):
    for name in ("a", "b"):
        content = {"schema": 1, "study": name, "hash": "0", "definition": {"seed": 0}, "config": {"seed": name}}
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.json").write_text(json.dumps(content))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "study.json").write_text("{")
    assert read_settings(tmp_path) == {n: {"definition": {"seed": 0}, "config": {"seed": n}} for n in ("a", "b")}
    assert list(read_settings(tmp_path / "b", tmp_path / "runs.csv")) == ["b"]
