"""The grammar of sets: the indices and names that `combo=` and `repeat=` stand for."""

import re
import reprlib
import sys
from collections.abc import Collection, Sequence
from typing import NoReturn

from oraclecheck.spelling import spell_number, suggest

SET_LIMIT = 10_000_000
"""Most indices one set may hold: far beyond what a process can retrain, and what fits in memory as a list."""


def parse_set(text: int | str, key: str, names: Collection[str] = ()) -> list[int | str]:
    """Indices and names that a set such as `17`, `"0-9,17"` (ranges inclusive) or `"l1,0-3"` stands for.

    Args:
        text: An index, or indices, ranges and names joined by commas.
        key: Config key that messages name.
        names: Words allowed beside indices.

    Returns:
        The members in the order given, each once.

    Raises:
        ValueError: If the set is malformed, has a negative index or an unknown name, or exceeds `SET_LIMIT`.
    """
    rule = f'{key} must be an index or a set such as "0-9,17"'
    if names:
        rule = f'{key} must be an index, a set such as "0-9,17", or one of {", ".join(names)}'
    if isinstance(text, int) and not isinstance(text, bool):
        if text < 0:
            raise ValueError(f"{rule}; got {spell_number(text)}: an index cannot be negative")
        return [text]
    if not isinstance(text, str):
        raise ValueError(f"{rule}; got {text!r}")
    parts = [part.strip() for part in text.split(",")]
    if "" in parts:
        _refuse_part(rule, text, "a part is empty" if text.strip() else "it is empty")
    members: dict[int | str, None] = {}  # a dict keeps the order that a set would lose
    for part in parts:
        if part in names:
            members[part] = None
            continue
        indices = _parse_range(part, rule, names)
        # Subtracted rather than len(), which overflows beyond 2^63.
        if len(members) + indices.stop - indices.start > SET_LIMIT:
            _refuse_part(rule, part, f"a set may hold at most {SET_LIMIT} indices")
        members.update(dict.fromkeys(indices))
    return list(members)


def _parse_range(part: str, rule: str, names: Collection[str]) -> range:
    """Indices of one part of a set, `17` or `0-9`, as a range that is not spelt out yet."""
    if re.fullmatch(r"-\s*[0-9]+(\s*-.*)?|[0-9]+\s*-\s*-\s*[0-9]+", part):
        _refuse_part(rule, part, "an index cannot be negative")
    match = re.fullmatch(r"([0-9]+)(?:\s*-\s*([0-9]+))?", part)
    if match is None:
        _refuse_part(rule, part, suggest(part, names))
    first_digits, last_digits = match[1], match[2] or match[1]
    most_digits = sys.get_int_max_str_digits()
    if 0 < most_digits < max(len(first_digits), len(last_digits)):
        _refuse_part(rule, part, f"an index may have at most {most_digits} digits")
    first, last = int(first_digits), int(last_digits)
    if last < first:
        _refuse_part(rule, part, "the range runs backwards")
    return range(first, last + 1)


def _refuse_part(rule: str, part: str, reason: str) -> NoReturn:
    raise ValueError(f"{rule}; got {reprlib.repr(part)}" + (f": {reason}" if reason else ""))


def spell_set(members: Sequence[int | str]) -> str:
    """A set as `parse_set` reads it: neighbours that ascend become a range."""
    parts: list[str] = []
    first = last = None
    for member in [*members, None]:
        if last is not None and isinstance(member, int) and member == last + 1:
            last = member
            continue
        if last is not None:
            parts.append(f"{first}" if first == last else f"{first}-{last}")
        first = last = member if isinstance(member, int) else None
        if isinstance(member, str):
            parts.append(member)
    return ",".join(parts)
