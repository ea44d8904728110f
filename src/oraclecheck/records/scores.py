"""Scores of a criterion, one table for each criterion and study: `<study>/scores/<criterion>.parquet`.

A row for every combination that was scored; what they were made by is in the file's metadata.
"""

import io
import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from oraclecheck.files import encoded, read_file, write_atomically

SCORES = "scores"
_METADATA = b"oraclecheck"


@dataclass
class Scores:
    """The scores of one criterion in one study; lower is better to remove.

    Attributes:
        criterion: Its name, function and options; see `Scorer.described`.
        study_hash: The study's.
        additive: Whether they are sums over removed filters.
        normalised: Whether filters' scores were divided by their layer's mean before they were added.
        seconds: What scoring took, all commands together, loading of data and network apart.
        versions: Package -> version, of the last command.
        device: What computed them.
        values: Combination, an index or the criterion that picked it, as its folder is called -> score.
        images: Which of the training images that training-set metrics are measured on, in ascending order; None
            where it is all of them, or none, or the criterion chooses by itself.
    """

    criterion: dict[str, Any]
    study_hash: str
    additive: bool
    normalised: bool
    seconds: float
    versions: dict[str, str]
    device: str
    values: dict[str, float]
    images: list[int] | None = None

    @property
    def name(self) -> str:
        """The criterion's."""
        return str(self.criterion["name"])


def _packed(indices: list[int] | None) -> str | None:
    """Indices as text a twentieth as long: a bit for each image, compressed, base64."""
    if indices is None:
        return None
    bits = np.zeros(max(indices, default=-1) + 1, dtype=bool)
    bits[indices] = True
    return b64encode(zlib.compress(np.packbits(bits).tobytes(), 9)).decode()


def _unpacked(text: str | None) -> list[int] | None:
    if text is None:
        return None
    bits = np.unpackbits(np.frombuffer(zlib.decompress(b64decode(text)), dtype=np.uint8))
    return [int(index) for index in np.flatnonzero(bits)]


def scores_path(study: Path, criterion: str) -> Path:
    """Where the scores of a criterion lie."""
    return study / SCORES / f"{criterion}.parquet"


def write_scores(study: Path, scores: Scores) -> None:
    """Put the table in its place, all of it or nothing."""
    about = asdict(scores)
    values = about.pop("values")
    about["images"] = _packed(scores.images)
    table = pa.table(
        {"combination": pa.array(list(values), pa.string()), "score": pa.array(list(values.values()), pa.float64())}
    )
    buffer = io.BytesIO()
    with pq.ParquetWriter(
        buffer, table.schema, compression="zstd", store_schema=False, write_statistics=False
    ) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({_METADATA: json.dumps(encoded(about))})  # in a schema it would lie twice
    path = scores_path(study, scores.name)
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, lambda file: file.write(buffer.getvalue()))


def read_scores(path: Path) -> Scores:
    """The table of a criterion's scores.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is none of ours.
    """
    try:
        table = pq.ParquetFile(pa.BufferReader(read_file(path))).read()
        about = json.loads(table.schema.metadata[_METADATA])
        columns = table.to_pydict()
        values = dict(zip(columns["combination"], columns["score"], strict=True))
        return Scores(**{**about, "images": _unpacked(about["images"])}, values=values)
    except (ValueError, KeyError, TypeError, zlib.error) as error:  # pyarrow's are ValueErrors
        raise ValueError(
            f"{path} must be a table of scores: {error}; once it is deleted, they are scored anew"
        ) from None


def study_scores(study: Path) -> Iterator[Scores]:
    """All tables of scores of a study, by name; see `read_scores`."""
    for path in sorted((study / SCORES).glob("*.parquet")):
        yield read_scores(path)
