"""Files that are either complete or absent, and names for what they hold."""

import errno
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from torch import Tensor


def read_file(path: Path) -> bytes:
    """The content of a file; a pipe or a device in its place would be waited for without end.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no regular file.
    """
    with open(path, "rb", buffering=0, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
        return file.readall()


FileState = tuple[int, int, int]
"""Modification time (ns), size and inode of a file, which tell whether it changed."""


def file_state(path: Path | str) -> FileState | None:
    """The state of a file; None if there is none."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Create or replace `path` with what `write` writes, all of it or nothing, even under kill -9 or power loss."""
    with _written(path, write) as temporary:
        os.replace(temporary, path)
    _sync_directory(path.parent)


def create_atomically(path: Path, write: Callable[[BinaryIO], object]) -> bool:
    """Create `path` with what `write` writes, all of it or nothing, unless it is there; it is never replaced.

    Of many writers, on whatever machines that share a folder, one creates it: nothing rests on locks, which do not hold
    over every network file system.

    Returns:
        Whether it was this call that created it.
    """
    try:
        with _written(path, write) as temporary:
            created = _link(temporary, path)
    except OSError:
        if not path.exists():  # else whoever created it has removed what others had begun
            raise
        created = False
    _sync_directory(path.parent)
    remove_remains(path)  # not before: they may be what another has almost written
    return created


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to be filled, which becomes `folder`, in the place of another one there, if nothing is raised."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent) as name:
        begun = Path(name) / folder.name
        begun.mkdir()
        yield begun
        if folder.exists():
            shutil.rmtree(folder)
        begun.rename(folder)


def remove_remains(path: Path) -> None:
    """Remove what writers of `path` that were killed left behind; call it only where nobody else writes `path`."""
    for remains in path.parent.glob(f".{path.name}.*.tmp"):
        remains.unlink(missing_ok=True)


def remove_all_remains(folder: Path) -> None:
    """Remove what writers that were killed left of files of a folder that are there, and are never replaced."""
    for remains in folder.glob(".*.tmp"):
        if remains.with_name(remains.name[1:].rpartition(".")[0].rpartition(".")[0]).is_file():
            remains.unlink(missing_ok=True)


def create_json(path: Path, content: Any) -> bool:
    """Create `path` as `write_json` would write it, unless it is there; see `create_atomically`."""
    return create_atomically(path, lambda file: file.write(_json(content)))


def write_json(path: Path, content: Any) -> None:
    """Write `content` atomically as JSON that every parser accepts (no NaN or Infinity)."""
    write_atomically(path, lambda file: file.write(_json(content)))


def encoded(value: Any, undefined: Any = "nan") -> Any:
    """A value as every JSON parser reads it: what is infinite becomes "inf" or "-inf", a tuple a list.

    Args:
        value: Numbers, text, None, and mappings and sequences of them.
        undefined: What NaN becomes: "nan" where it is to come back, None where it is only shown.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return undefined if math.isnan(value) else str(float(value))
    if isinstance(value, dict):
        return {key: encoded(item, undefined) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encoded(item, undefined) for item in value]
    return value


def digest(content: Any) -> str:
    """SHA-256 (hex) of a JSON-serialisable value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def digest_of_tensors(tensors: "Mapping[str, Tensor]") -> str:
    """SHA-256 (hex) of tensors' names, types, shapes and bytes, independent of their order."""
    import torch  # takes seconds, and most who need a file's name have no tensors

    sha = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sha.update(tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def check_free(path: Path, rule: str) -> None:
    """Find out, before it is computed what a file is to hold, whether anything but a file has its name.

    Raises:
        ValueError: If a folder, a pipe or a link to nothing has; begins with `rule`.
    """
    if os.path.lexists(path) and not path.is_file():
        raise ValueError(f"{rule}; {path} is no file: remove it")


def create_tensors(path: Path, content: Any, rule: str) -> None:
    """Create `path` with what torch.save makes of `content`, unless another process has been quicker.

    Raises:
        ValueError: If it cannot be written; begins with `rule`, which says what the user has to see to.
    """
    import torch

    try:
        create_atomically(path, lambda file: torch.save(content, file))
    except (OSError, RuntimeError) as error:  # torch's writer raises the second for what the first says
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{rule}; {path} cannot be written: {reason}") from None


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1, allow_nan=False).encode()


@contextmanager
def _written(path: Path, write: Callable[[BinaryIO], object]) -> Iterator[Path]:
    """A temporary file beside `path` that holds what `write` writes, on disk; it is gone afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp creates files that only the owner may read; results are for the group too.
        os.chmod(temporary, 0o666 & ~_UMASK)
        yield temporary
    except OSError as error:
        if error.errno and error.filename is None:  # a full disk does not say of which file
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _link(temporary: Path, path: Path) -> bool:
    """Give a file a second name that nobody has yet; False if somebody has."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return os.stat(temporary).st_nlink > 1  # over NFS an answer can be lost, and what was done is asked for again
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _copy(temporary, path)
    return True


def _copy(temporary: Path, path: Path) -> bool:
    """The same where a file cannot have two names; a process that is killed here leaves a part of the file."""
    try:
        target = path.open("xb")
    except FileExistsError:
        return False
    try:
        with target, temporary.open("rb") as source:
            shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return True


_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What file systems without hard links, such as exFAT, say to them."""


def _sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_UMASK = os.umask(0)
os.umask(_UMASK)  # it can be read only by setting it
