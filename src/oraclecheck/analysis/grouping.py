"""The rows of a table that a user asked for, told apart by columns of their choice."""

import difflib
from collections.abc import Sequence

import pandas as pd

from oraclecheck.analysis.networks import across_networks
from oraclecheck.analysis.words import FOR_COMPUTERS, FOR_READERS, varying


def check_columns(by: Sequence[str]) -> None:
    """Refuse columns that cannot name a row.

    Raises:
        ValueError: If a column is unknown or given twice.
    """
    known = [*FOR_READERS, *FOR_COMPUTERS]
    for number, name in enumerate(by):
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3)
            hint = f": did you mean {' or '.join(close)}?" if close else f": it may be {', '.join(known)}"
            raise ValueError(f"--by must name columns that tell studies apart; got {name!r}{hint}")
        if name in by[:number]:
            raise ValueError(f"--by must name every column once; got {name} twice")


def group(table: pd.DataFrame, by: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows told apart by chosen columns: single studies, and means over dense networks where several share a row.

    Args:
        table: Rows of `tables.correlate`.
        by: Columns that name a row.

    Returns:
        The rows of single studies, and the rows that `across_networks` made of several.

    Raises:
        ValueError: If a column is unknown or given twice, or studies share a row but are no networks of one setting.
    """
    check_columns(by)
    singles, joined = [table.iloc[:0]], [pd.DataFrame()]
    keys = [*(table[name].map(str) for name in by), table["final"], table["metric"]]
    for _, rows in table.groupby(keys, sort=False):
        if len(rows) == 1:
            singles.append(rows)
            continue
        mean = across_networks(rows)
        if (mixed := _what_mixes(rows)) or len(mean) != 1:
            names = ", ".join(rows["study"].astype(str))
            raise ValueError(
                f"--by must tell studies apart that are no networks of one setting; {names} share a row: add "
                f"{mixed or 'study'}"
            )
        joined.append(mean)
    return pd.concat(singles[1:] or singles, ignore_index=True), pd.concat(joined[1:] or joined, ignore_index=True)


def _what_mixes(rows: pd.DataFrame) -> str:
    """The column that keeps studies from being the networks of one setting; empty if none does."""
    differing = [name for name in varying(rows) if name != "pretrain_seed"]
    if differing:
        return max(differing, key=lambda name: rows[name].map(str).nunique())
    return "study" if rows["dense_hash"].isna().any() or rows["dense_hash"].duplicated().any() else ""
