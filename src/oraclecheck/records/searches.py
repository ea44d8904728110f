"""What exact searches of whole spaces found: `<paths.out>/oracle/<model>-<data>-<hash>.parquet`.

A row for each combination, in lexicographic order, or for the best ones alone, from the best on; what they are of is in
the file's metadata. How pruned networks are retrained does not matter: studies of different recipes share a search.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from oraclecheck.files import digest, encoded, write_atomically
from oraclecheck.networks.shadow import identity
from oraclecheck.pruning.combination import Removed
from oraclecheck.study.definition import data_identity, evaluation_identity
from oraclecheck.study.setting import Setting

ORACLE, WORST = "oracle", "oracle-worst"
"""What `combo=` takes for the combinations of the whole space with the least and the greatest pruned train loss."""

SEARCHED = (ORACLE, WORST)

ROWS = 1_000_000  # of a part of the file, all that is held in memory of it
_METADATA = b"oraclecheck"
_ENCODED: dict[str, Any] = {  # hardly a score occurs twice, and neighbours' first bytes are alike
    "compression": "zstd",
    "store_schema": False,
    "write_statistics": False,
    "use_dictionary": False,
    "column_encoding": {"index": "DELTA_BINARY_PACKED", "score": "BYTE_STREAM_SPLIT"},
}


@dataclass(frozen=True)
class Search:
    """What an exact search is of, and how it was done.

    Attributes:
        definition: What decides the scores: network, data, what is removed, and how combinations are numbered.
        images: Training images that each combination was measured on, if it was not out before.
        complete: Whether every combination has its score; else only the best of them are kept.
        rows: Combinations that have one.
        seconds: What it took, all commands together, loading of data and network apart.
        cpu_seconds: The same, of all cores together.
        versions: Package -> version, of the last command.
        device: What computed them.
        way: How: see `oraclecheck.oracle`.
    """

    definition: dict[str, Any]
    images: int
    complete: bool
    rows: int
    seconds: float
    cpu_seconds: float
    versions: dict[str, str]
    device: str
    way: str


def search_definition(setting: Setting, dense_hash: str) -> dict[str, Any]:
    """What decides the scores of a setting's combinations with the dense network of this hash, and their numbers."""
    pruning, space = setting.pruning, setting.pruning.filters
    evaluation = evaluation_identity(setting)
    return {
        "network": identity(setting.network.description),
        "dense_hash": dense_hash,
        "data": data_identity(setting),
        "images": {name: evaluation[name] for name in ("augmented", "train_images", "indices")},
        "layers": {layer.name: [layer.filters, layer.removed] for layer in space.layers},
        "scheme": pruning.scheme,
        "wiring": pruning.wiring,
        "order": space.order,
        "order_seed": space.seed if space.order == "sampled" else None,
    }


def search_path(setting: Setting, definition: dict[str, Any]) -> Path:
    """Where the scores of an exact search lie."""
    name = f"{setting.network.name}-{setting.data.name}-{digest(definition)[:8]}.parquet"
    return setting.paths.out / "oracle" / name


def write_search(path: Path, search: Search, parts: Iterable[tuple[list[int], list[float]]]) -> None:
    """Put the file in its place, all of it or nothing.

    Args:
        path: Where.
        search: What it is of.
        parts: Indices and scores, so many at a time as are to be in memory.
    """
    import pyarrow as pa  # workers, who need none of this, import this module too
    import pyarrow.parquet as pq

    schema = pa.schema([("index", pa.int64()), ("score", pa.float64())])

    def write(file: BinaryIO) -> None:
        with pq.ParquetWriter(file, schema, **_ENCODED) as writer:
            for indices, scores in parts:
                writer.write_table(pa.table([pa.array(indices), pa.array(scores)], schema=schema))
            writer.add_key_value_metadata({_METADATA: json.dumps(encoded(asdict(search)))})

    write_atomically(path, write)


def read_search(path: Path) -> Search:
    """What a file of scores is of.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is none of ours.
    """
    import pyarrow.parquet as pq

    try:
        return Search(**json.loads(pq.read_schema(path).metadata[_METADATA]))
    except (ValueError, KeyError, TypeError) as error:  # pyarrow's are ValueErrors
        raise ValueError(
            f"{path} must be what an exact search wrote: {error}; once it is deleted, the space is searched anew"
        ) from None


def extremes(path: Path, count: int, *, worst: bool = False) -> list[tuple[int, float]]:
    """The combinations with the least scores, or the greatest: (index, score), from the outermost on.

    Of equal scores the one whose row comes first counts as the better.
    """
    import pyarrow.parquet as pq

    found: list[tuple[float, int, int]] = []
    row = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS):
            indices, scores = (column.to_numpy() for column in batch.columns)
            order = scores.argsort(kind="stable")
            chosen = order[::-1][:count] if worst else order[:count]
            found += [(float(scores[i]), row + int(i), int(indices[i])) for i in chosen]
            found = sorted(found, reverse=worst)[:count]
            row += len(scores)
    return [(index, score) for score, _, index in found]


def searched_pick(setting: Setting, dense_hash: str, name: str) -> Removed:
    """The combination of the whole space with the least pruned train loss, or the greatest.

    Args:
        setting: The setting.
        dense_hash: Of its dense network.
        name: One of `SEARCHED`.

    Raises:
        ValueError: If the space was not searched yet, or only for the best combinations.
    """
    path = search_path(setting, search_definition(setting, dense_hash))
    try:
        search = read_search(path)
    except FileNotFoundError:
        raise not_searched(name) from None
    if name == WORST and not search.complete:
        raise ValueError(f"combo must be {ORACLE} where a space was too large to score every combination; got {WORST}")
    ((index, _),) = extremes(path, 1, worst=name == WORST)
    return setting.pruning.filters.unrank(index)


def not_searched(name: str) -> ValueError:
    """What says that a space has to be searched first."""
    return ValueError(
        f"combo={name} must come after the search of its space; run `python -m oraclecheck.oracle` first, with the "
        "same model, data, pruning and pretrain arguments"
    )
