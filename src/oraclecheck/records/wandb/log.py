"""One run's W&B log, `run-<id>.wandb`: records of `wandb.proto.wandb_internal_pb2.Record` in LevelDB's log framing.

The file begins with ":W&B", the magic 0xBEE1 and the version 0. Blocks of 32 KiB hold chunks: CRC-32 (of the type byte
and the data), length, type, data; a record is one "full" chunk, or a "first", "middle"s and a "last". See
https://github.com/google/leveldb/blob/main/doc/log_format.md, whose checksum is another. wandb 0.31 has no reader.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oraclecheck.files import read_file
from oraclecheck.records.wandb.columns import WandbRun

HEADER = struct.pack("<4sHB", b":W&B", 0xBEE1, 0)
BLOCK = 32 * 1024
CHUNK = struct.Struct("<IHB")
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


class UnknownFormatError(ValueError):
    """The file is not in the format that this reader knows: W&B changed it, or it is something else."""


class DamagedLogError(ValueError):
    """The file ends or breaks in the middle of a record."""


def read_log(path: Path) -> tuple[WandbRun, str | None]:
    """Read a log as far as it is whole.

    Returns:
        Its run, without an id if the log ends before it, and what is wrong with the log, if anything.

    Raises:
        UnknownFormatError: If it is not in the format that this reader knows.
    """
    from google.protobuf.message import DecodeError
    from wandb.proto import wandb_internal_pb2

    logged = WandbRun()
    try:
        for content in log_records(_read(path)):
            record = wandb_internal_pb2.Record.FromString(content)  # type: ignore[attr-defined]
            kind = record.WhichOneof("record_type")
            if kind == "run":
                run = record.run
                logged.id, logged.job_type = run.run_id, run.job_type
                logged.started = run.start_time.ToNanoseconds()
                _update(logged.config, run.config)
            elif kind == "config":
                _update(logged.config, record.config)
            elif kind == "summary":
                _update(logged.summary, record.summary)
    except DamagedLogError as error:
        return logged, f"{path} {error}"
    except (UnknownFormatError, DecodeError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UnknownFormatError(f"{path} must be a log of W&B in the format of version 0.31; {error}") from None
    return logged, None


def _read(path: Path) -> bytes:
    try:
        return read_file(path)
    except ValueError as error:
        raise UnknownFormatError(str(error)) from None


def log_records(content: bytes) -> Iterator[bytes]:
    """The records of a log, each whole and with a right checksum.

    Raises:
        UnknownFormatError: If the header or a chunk's type is unknown.
        DamagedLogError: If the log ends or breaks in the middle of a record, after those before it.
    """
    if not content.startswith(HEADER):
        if HEADER.startswith(content):
            raise DamagedLogError("ends in its header")
        raise UnknownFormatError(f"it begins with {content[: len(HEADER)]!r} instead of {HEADER!r}")
    position, begun = len(HEADER), b""
    while position < len(content):
        left = BLOCK - position % BLOCK
        if left < CHUNK.size:  # too few for a chunk: padding
            position += left
            continue
        start = position + CHUNK.size
        if start > len(content):
            raise DamagedLogError(f"ends in the middle of a record, at byte {position}")
        checksum, length, kind = CHUNK.unpack_from(content, position)
        data = content[start : start + length]
        if len(data) < length:
            raise DamagedLogError(f"ends in the middle of a record, at byte {position}")
        if zlib.crc32(bytes([kind]) + data) != checksum:
            raise DamagedLogError(f"has a wrong checksum at byte {position}")
        if kind not in (FULL, FIRST, MIDDLE, LAST) or (kind in (FULL, FIRST)) == bool(begun):
            raise UnknownFormatError(f"byte {position} holds a chunk of type {kind} that is not expected there")
        begun += data
        if kind in (FULL, LAST):
            yield begun
            begun = b""
        position = start + length
    if begun:
        raise DamagedLogError("ends in the middle of a record")


def _update(content: dict[str, Any], changes: Any) -> None:
    for item in changes.update:
        keys = list(item.nested_key) or [item.key]
        target = content
        for key in keys[:-1]:
            target = target.setdefault(key, {})
        target[keys[-1]] = json.loads(item.value_json)
    for item in changes.remove:
        content.pop(item.key or item.nested_key[0], None)
