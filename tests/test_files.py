"""Files are whole or absent, whoever else writes them, and hold JSON that every parser reads."""

import errno
import json
import math
import os

import pytest

from oraclecheck import files
from oraclecheck.files import create_atomically, create_json, encoded, file_state, remove_all_remains, write_atomically


def test_atomic_write_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_created_file_is_never_replaced(tmp_path, monkeypatch, links):
    def refuse(*_):
        raise OSError(errno.EPERM, "no hard links on exFAT")

    if not links:
        monkeypatch.setattr(files.os, "link", refuse)
    path = tmp_path / "file"
    assert create_atomically(path, lambda file: file.write(b"first"))
    assert not create_atomically(path, lambda file: file.write(b"second"))
    assert path.read_bytes() == b"first" and list(tmp_path.iterdir()) == [path]


def test_file_whose_creation_failed_is_not_there(tmp_path):
    def fail(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        create_atomically(tmp_path / "file", fail)
    assert not list(tmp_path.iterdir())


def test_file_is_ours_where_the_answer_to_its_creation_was_lost(tmp_path, monkeypatch):
    """Over NFS a request whose answer got lost is repeated, and the repetition finds the file."""
    link = os.link
    monkeypatch.setattr(files.os, "link", lambda *names: (link(*names), link(*names)))
    assert create_atomically(tmp_path / "file", lambda file: file.write(b"ours"))


def test_writer_whose_half_was_removed_is_second(tmp_path):
    """Whoever created the file removes what others had begun."""

    def overtaken(file):
        assert create_atomically(tmp_path / "file", lambda file: file.write(b"first"))
        for remains in tmp_path.glob(".file.*.tmp"):
            remains.unlink()

    assert not create_atomically(tmp_path / "file", overtaken)
    assert (tmp_path / "file").read_bytes() == b"first"


def test_remains_of_killed_writers_are_removed_once_their_file_is_there(tmp_path):
    for name in (".there.json.abc.tmp", ".absent.json.abc.tmp"):
        (tmp_path / name).write_text("half")
    create_json(tmp_path / "there.json", 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".absent.json.abc.tmp", "there.json"]
    (tmp_path / ".there.json.xyz.tmp").write_text("half")
    remove_all_remains(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".absent.json.abc.tmp", "there.json"]


def test_what_json_has_no_number_for_is_said_in_words():
    value = {"a": [math.nan, (math.inf, -math.inf)], "b": {"c": 0.5, "d": None, "e": "nan", "f": True, "g": 2**70}}
    rest = {"c": 0.5, "d": None, "e": "nan", "f": True, "g": 2**70}
    assert encoded(value) == {"a": ["nan", ["inf", "-inf"]], "b": rest}
    assert encoded(value, None) == {"a": [None, ["inf", "-inf"]], "b": rest}
    assert json.loads(json.dumps(encoded(value), allow_nan=False)) == encoded(value)


def test_state_of_a_file_tells_a_replaced_one(tmp_path):
    path = tmp_path / "file"
    assert file_state(path) is None
    path.write_bytes(b"one")
    stat, before = path.stat(), file_state(path)
    write_atomically(path, lambda file: file.write(b"two"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert before is not None and file_state(path) not in (before, None)
