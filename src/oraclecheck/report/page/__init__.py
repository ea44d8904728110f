"""The report as one page, `index.html`: it opens from disk, needs no network, and prints."""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from oraclecheck.analysis.criterion import Criterion
from oraclecheck.analysis.verdict import tally
from oraclecheck.analysis.words import describe, varying
from oraclecheck.files import encoded, write_atomically
from oraclecheck.report.criteria import NOTES, CriteriaFindings
from oraclecheck.report.findings import Findings
from oraclecheck.report.page.bundle import packed, script
from oraclecheck.report.page.columns import GROUPS
from oraclecheck.report.page.criteria import criteria_tables
from oraclecheck.report.page.curves import curves
from oraclecheck.report.page.gaps import gaps
from oraclecheck.report.page.grids import grids
from oraclecheck.report.page.numbers import lacking, numbers
from oraclecheck.report.page.points import scatter_points
from oraclecheck.report.page.settings import flat, provenance, sweep_commands
from oraclecheck.report.page.verdicts import (
    FINALS,
    distinct_titles,
    in_common,
    particulars,
    sentence,
    statistics_line,
    title,
)

_HERE = Path(__file__).parent


def write_page(path: Path, findings: Findings, command: str = "", *, criteria: CriteriaFindings | None = None) -> None:
    """Write the page; the same input gives the same bytes.

    Everything that comes from data is inert in it: text is escaped, and only the page's own scripts may run.

    Args:
        path: The file, replaced if it is there.
        findings: Of one study or several.
        command: The command that writes this page again.
        criteria: Several criteria side by side, which get a section; None for none.
    """
    table, criterion = findings.table, findings.criterion
    sweeps = sweep_commands(findings.runs, findings.study_files)
    studies = [_study(findings, name, words, sweeps.get(name, "")) for name, words in distinct_titles(table).items()]
    first, points = table.iloc[0], [study.pop("points") for study in studies]
    words = {"finals": FINALS, "score": criterion.score, "pick": criterion.pick.replace("'", "’")}
    scatter = {"studies": points, "final": first["final"], "metric": first["metric"], **words}
    own_script, counted = (_HERE / "page.js").read_text(), numbers(findings)
    tables, further = criteria_tables(criteria), findings.further()
    sections = {"Verdicts": True, "Criteria": tables, "Scatter": True, "Numbers": True, "Runs": True}
    sections |= {"Further": further, "Settings": True, "Methods": True}
    html = _template().render(
        sections=[name for name, there in sections.items() if there],
        further=further,
        curves=curves(findings),
        criteria_tables=tables,
        criteria_notes=NOTES,
        criterion=criterion,
        studies=studies,
        in_common=in_common(table),
        metrics=list(dict.fromkeys(table["metric"])),
        tallies=tally(table, findings.networks),
        groups_of_networks=_groups_of_networks(findings),
        grids=grids(findings),
        compared=findings.compared(),
        unlike=[group.to_dict("records") for group in findings.unlike],
        numbers=counted,
        agreement=next(column for column in counted.columns if column.name == "agreement"),
        groups=GROUPS,
        final=first["final"],
        finals=FINALS,
        total=len(findings.runs),
        command=command,
        style=Markup((_HERE / "page.css").read_text()),
        bundle=Markup(packed()),
        script=Markup(own_script),
        policy=_policy([script(), own_script]),
        points=Markup(_json(scatter)),
    )
    write_atomically(path, lambda file: file.write(html.encode(errors="replace")))


@cache  # it is compiled
def _template() -> Template:
    options: Any = {"autoescape": True, "undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(loader=FileSystemLoader(_HERE), **options)
    environment.filters["formula"] = _formula
    environment.tests["known"] = pd.notna
    return environment.get_template("page.html.jinja")


def _study(findings: Findings, name: str, words: str, sweep: str) -> dict[str, Any]:
    table, combos = findings.of_study(name)
    runs, claims = findings.runs[findings.runs["study"] == name], _claims(table, findings.criterion)
    told: dict[str, dict[str, dict[str, str]]] = {}
    for claim in _claims(findings.claims_of(name), findings.criterion):
        said = {"caption": claim["sentence"], "line": statistics_line(claim)}
        told.setdefault(claim["final"], {})[claim["metric"]] = said
    file = findings.study_files.get(name, {})
    return {
        "name": name,
        "title": words,
        "particulars": particulars(claims[0]),
        "claims": claims,
        "lacking": lacking(claims[0]),
        "gaps": gaps(runs, claims[0]),
        "config": list(flat(file.get("config", {}))),
        "definition": list(flat(file.get("definition", {}))),
        "provenance": provenance(runs),
        "sweep": sweep,
        "points": {"study": name, "title": words, "told": told, **scatter_points(runs, combos)},
    }


def _groups_of_networks(findings: Findings) -> list[dict[str, Any]]:
    """The claims about settings of several dense networks, those about the same one together."""
    groups: dict[str, dict[str, Any]] = {}
    names = [name for name in varying(findings.table) if name != "pretrain_seed"]
    for claim in _claims(findings.networks, findings.criterion):
        words = describe(pd.Series(claim), names) or title(claim)
        known = {"title": words, "particulars": particulars(claim), "claims": []}
        groups.setdefault(claim["setting_hash"], known)["claims"].append(claim)
    return list(groups.values())


def _claims(table: pd.DataFrame, criterion: Criterion) -> list[dict[str, Any]]:
    """The rows of a table, each with its sentence."""
    rows: Any = table.to_dict("records")
    return [{**row, "sentence": sentence(row, criterion)} for row in rows]


def _json(content: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(encoded(content, undefined=None), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _policy(scripts: Sequence[str]) -> str:
    """Content Security Policy: these scripts may run, and nothing may be fetched."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    rest = "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    return f"default-src 'none'; script-src {allowed}; {rest}"


def _formula(text: str) -> Markup:
    """Text in which an underscore before a single letter, or before max, makes a subscript: ρ_k, s_max."""
    return Markup(re.sub(r"_(max|\w)\b", r"<sub>\1</sub>", str(escape(text))))
