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

from oraclecheck.analysis.criterion import Criterion
from oraclecheck.analysis.words import look_alikes
from oraclecheck.files import encoded, write_atomically
from oraclecheck.report.findings import Findings
from oraclecheck.report.invocation import sweep_commands
from oraclecheck.report.page.columns import GROUPS, Column
from oraclecheck.report.page.gaps import gaps
from oraclecheck.report.page.points import scatter_points
from oraclecheck.report.page.settings import flat, provenance
from oraclecheck.report.page.verdicts import FINALS, distinct_titles, particulars, sentence, strip, tallies, title

_HERE = Path(__file__).parent


def write_page(path: Path, findings: Findings, command: str = "") -> None:
    """Write the page; the same input gives the same bytes.

    Everything that comes from data is inert in it: text is escaped, and only the page's own scripts may run.

    Args:
        path: The file, replaced if it is there.
        findings: Of one study or several.
        command: The command that writes this page again.
    """
    table, criterion = findings.table, findings.criterion
    sweeps = sweep_commands(findings.runs, findings.study_files)
    studies = [_study(findings, name, words, sweeps.get(name, "")) for name, words in distinct_titles(table).items()]
    points = [study.pop("points") for study in studies]
    scatter = {"studies": points, "finals": FINALS, "score": criterion.score, "pick": criterion.pick.replace("'", "’")}
    scripts = [get_plotlyjs(), (_HERE / "page.js").read_text()]
    html = (
        _environment()
        .get_template("page.html.jinja")
        .render(
            criterion=criterion,
            studies=studies,
            rows=_records(table),
            tallies=tallies(table),
            groups_of_networks=_groups_of_networks(findings),
            unlike=[_records(group) for group in findings.unlike],
            groups=_groups(table),
            finals=FINALS,
            judged_finals={final: words for final, words in FINALS.items() if final in set(table["final"])},
            total=len(findings.runs),
            command=command,
            style=Markup((_HERE / "page.css").read_text()),
            scripts=map(Markup, scripts),
            policy=_policy(scripts),
            points=Markup(_json(scatter)),
        )
    )
    write_atomically(path, lambda file: file.write(html.encode(errors="replace")))


def _study(findings: Findings, name: str, words: str, sweep: str) -> dict[str, Any]:
    table, combos = findings.of_study(name)
    runs, rows = findings.runs[findings.runs["study"] == name], _records(table)
    claims = [_claim(row, findings.criterion) for row in rows]
    captions: dict[str, dict[str, str]] = {}
    for claim in claims:
        captions.setdefault(claim["row"]["final"], {})[claim["row"]["metric"]] = claim["sentence"]
    file = findings.study_files.get(name, {})
    return {
        "name": name,
        "title": words,
        "particulars": particulars(rows[0]),
        "claims": claims,
        "gaps": gaps(runs, rows[0]),
        "config": flat(file.get("config", {})),
        "definition": flat(file.get("definition", {})),
        "provenance": provenance(runs),
        "sweep": sweep,
        "points": {"study": name, "captions": captions, **scatter_points(runs, combos)},
    }


def _groups_of_networks(findings: Findings) -> list[dict[str, Any]]:
    """The claims about architectures, those about the same one together."""
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    several = bool(look_alikes(findings.networks))
    for row in _records(findings.networks):
        words = (title(row), *particulars(row), *([f"setting {row['setting_hash'][:8]}"] if several else []))
        group = groups.setdefault(words, {"title": words[0], "particulars": words[1:], "claims": []})
        group["claims"].append(_claim(row, findings.criterion))
        group["studies"], group["note"] = row["studies"], row["note"]
    return list(groups.values())


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _claim(row: Mapping[str, Any], criterion: Criterion) -> dict[str, Any]:
    judged = row.get("verdict") or "not judged"
    return {"row": row, "verdict": judged, "sentence": sentence(row, criterion), "strip": strip(row)}


def _groups(table: pd.DataFrame) -> dict[str, list[tuple[Column, bool]]]:
    """The columns that the table has, by their groups, and whether the page shows them unasked."""
    columns = {
        group: [(column, column.at_first(table)) for column in members if column.applies(table)]
        for group, members in GROUPS.items()
    }
    return {group: members for group, members in columns.items() if members}


def _json(content: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(encoded(content, undefined=None), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
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
