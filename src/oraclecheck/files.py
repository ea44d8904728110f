"""Files that are either complete or absent, and names for what they hold."""

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


def read_file(path: Path) -> bytes:
    """The content of a file; a pipe or a device in its place would be waited for without end.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no regular file.
    """
    with open(path, "rb", buffering=0, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
        return file.readall()


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Create or replace `path` with what `write` writes, all of it or nothing, even under kill -9 or power loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp creates files that only the owner may read; results are for the group too.
        os.chmod(temporary, 0o666 & ~_UMASK)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # a full disk does not say of which file
            error.filename = str(path)
        raise
    _sync_directory(path.parent)


def remove_remains(path: Path) -> None:
    """Remove what writers of `path` that were killed left behind; call it only where nobody else writes `path`."""
    for remains in path.parent.glob(f".{path.name}.*.tmp"):
        remains.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write `content` atomically as JSON that every parser accepts (no NaN or Infinity)."""
    text = json.dumps(content, indent=1, allow_nan=False)
    write_atomically(path, lambda file: file.write(text.encode()))


def digest(content: Any) -> str:
    """SHA-256 (hex) of a JSON-serialisable value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _read_umask()
