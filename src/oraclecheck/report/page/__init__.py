"""The report as one page, `index.html`: it opens from disk, needs no network, and prints."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from oraclecheck.analysis.tables import combinations_table
from oraclecheck.analysis.words import look_alikes
from oraclecheck.files import write_atomically
from oraclecheck.report.page.columns import GROUPS
from oraclecheck.report.page.gaps import gaps
from oraclecheck.report.page.points import plain, scatter_points
from oraclecheck.report.page.settings import flat, provenance
from oraclecheck.report.page.verdicts import FINALS, distinct_titles, particulars, sentence, strip, tallies, title

_HERE = Path(__file__).parent


def write_page(
    path: Path,
    runs: pd.DataFrame,
    table: pd.DataFrame,
    *,
    networks: pd.DataFrame | None = None,
    unlike: Sequence[pd.DataFrame] = (),
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    command: str = "",
    sweeps: Mapping[str, str] | None = None,
) -> None:
    """Write the page; the same input gives the same bytes.

    Everything that comes from data is inert in it: text is escaped, and only the page's own scripts may run.

    Args:
        path: The file, replaced if it is there.
        runs: One row per record, of one study or several.
        table: Rows of `tables.correlate` for the same studies, for one `final` or both.
        networks: Rows of `tables.across_networks`, None if the studies allow no claim about an architecture.
        unlike: Tables of `networks.unlike_settings` for the same studies.
        settings: Study -> content of its study.json, for the studies that have one.
        command: The command that writes this page again.
        sweeps: Study -> command that runs it, where it is known.

    Raises:
        ValueError: As `tables.combinations_table`.
    """
    combos = combinations_table(runs)
    studies = [
        _study(name, words, runs[runs["study"] == name], table[table["study"] == name], settings or {}, sweeps or {})
        for name, words in distinct_titles(table).items()
    ]
    points = [_points(study, runs, combos) for study in studies]
    style, script, plotly = (_HERE / "page.css").read_text(), (_HERE / "page.js").read_text(), get_plotlyjs()
    html = (
        _environment()
        .get_template("page.html.jinja")
        .render(
            studies=studies,
            rows=_records(table),
            tallies=tallies(table),
            groups_of_networks=[] if networks is None else _groups_of_networks(networks),
            unlike=[_records(group) for group in unlike],
            groups=_groups(table),
            finals=FINALS,
            judged_finals={final: words for final, words in FINALS.items() if final in set(table["final"])},
            total=len(runs),
            command=command,
            style=Markup(style),
            scripts=[Markup(plotly), Markup(script)],
            policy=_policy([plotly, script]),
            points=Markup(_json(points)),
        )
    )
    write_atomically(path, lambda file: file.write(html.encode(errors="replace")))


def _study(
    name: str,
    words: str,
    runs: pd.DataFrame,
    table: pd.DataFrame,
    settings: Mapping[str, Mapping[str, Any]],
    sweeps: Mapping[str, str],
) -> dict[str, Any]:
    rows = _records(table)
    known = settings.get(name, {})
    return {
        "name": name,
        "title": words,
        "particulars": particulars(rows[0]),
        "claims": [_claim(row) for row in rows],
        "gaps": gaps(runs, rows[0]),
        "config": flat(known.get("config", {})),
        "definition": flat(known.get("definition", {})),
        "provenance": provenance(runs),
        "sweep": sweeps.get(name, ""),
    }


def _groups_of_networks(networks: pd.DataFrame) -> list[dict[str, Any]]:
    """The claims about architectures, those about the same one together."""
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    several = bool(look_alikes(networks))
    for row in _records(networks):
        words = (title(row), *particulars(row), *([f"setting {row['setting_hash'][:8]}"] if several else []))
        group = groups.setdefault(words, {"title": words[0], "particulars": words[1:], "claims": []})
        group["claims"].append(_claim(row))
        group["studies"], group["note"] = row["studies"], row["note"]
    return list(groups.values())


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _claim(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "row": row,
        "verdict": row.get("verdict") or "not judged",
        "sentence": sentence(row),
        "strip": strip(row),
    }


def _points(study: Mapping[str, Any], runs: pd.DataFrame, combos: pd.DataFrame) -> dict[str, Any]:
    name = study["name"]
    captions: dict[str, dict[str, str]] = {}
    for claim in study["claims"]:
        captions.setdefault(claim["row"]["final"], {})[claim["row"]["metric"]] = claim["sentence"]
    points = scatter_points(runs[runs["study"] == name], combos[combos["study"] == name])
    return {"study": name, "captions": captions, **points}


def _groups(table: pd.DataFrame) -> dict[str, list[Any]]:
    columns = {group: [column for column in columns if column.applies(table)] for group, columns in GROUPS.items()}
    return {
        group: [(column, column.at_first(table)) for column in members] for group, members in columns.items() if members
    }


def _json(content: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(plain(content), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _policy(scripts: Sequence[str]) -> str:
    """Content Security Policy: these scripts may run, and nothing may be fetched."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["formula"] = _formula
    return environment


def _formula(text: str) -> Markup:
    """Text in which an underscore before a single letter, or before max, makes a subscript: ρ_k, s_max."""
    return Markup(re.sub(r"_(max|\w)\b", r"<sub>\1</sub>", str(escape(text))))
