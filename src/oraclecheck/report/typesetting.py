"""A layout (a table of printed cells) as Markdown, LaTeX, CSV, or for a terminal."""

import re
from dataclasses import dataclass

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Group, JustifyMethod
from rich.markup import escape
from rich.table import Table
from rich.text import Text

# What LaTeX would read as a command, or what its 8-bit fonts lack. \textsuperscript works in text and in every class.
_LATEX = str.maketrans(
    {
        "\0": "$-$",  # stands for the minus of a negative number
        "\\": r"\textbackslash{}",
        **{mark: f"\\{mark}" for mark in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "[": "{[}",  # after \\ it would be read as a length
        "]": "{]}",
        "–": "--",
        "…": r"\ldots{}",
        "×": r"$\times$",
        "τ": r"$\tau$",
        "≥": r"$\geq$",
        "≤": r"$\leq$",
        "±": r"$\pm$",
        "†": r"\textsuperscript{\dag}",
        "‡": r"\textsuperscript{\ddag}",
    }
)
_NEGATIVE = re.compile(r"(?<![\w.)-])-(?=\d)")

LONG = 55
"""Rows from which a LaTeX table no longer fits a page and must be a longtable."""

COLUMN_WIDE, WIDE, TOO_WIDE = 48, 62, 115
"""Characters in a row above which a LaTeX table spans both columns, takes small print, and must be scaled down."""


@dataclass(frozen=True)
class Layout:
    """A table as it is printed.

    Attributes:
        name: A word for file names, labels and JSON keys.
        title: What the table shows, one line.
        headings: One for each column.
        rows: Their cells; a row of no cells is a rule.
        notes: Sentences that belong under the table.
        left: Columns from the left that hold words; the others hold numbers and are set flush right.
    """

    name: str
    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    left: int = 1


def markdown(layout: Layout) -> str:
    """GitHub's Markdown, ending in a newline."""
    aligned = [":---" if i < layout.left else "---:" for i in range(len(layout.headings))]
    cells = [layout.headings, aligned, *(row for row in layout.rows if row)]
    lines = [f"**{_markdown(layout.title)}**", ""]
    lines += [f"| {' | '.join(map(_markdown, row))} |" for row in cells]
    for note in layout.notes:
        lines += ["", _markdown(note)]
    return "\n".join(lines) + "\n"


def latex(layout: Layout) -> str:
    r"""A LaTeX table for `\input`; its first line names the packages it needs."""
    columns = "l" * layout.left + "r" * (len(layout.headings) - layout.left)
    heading = [r"\toprule", _latex_row(layout.headings), r"\midrule"]
    body = [_latex_row(row) if row else r"\midrule" for row in layout.rows]
    caption = rf"\caption{{{_latex(layout.title)}}}\label{{tab:{layout.name}}}"
    notes = [rf"{_latex(note)}\par" for note in layout.notes]
    width = max(len("  ".join(row)) for row in (layout.headings, *layout.rows))
    if sum(map(bool, layout.rows)) >= LONG:
        packages = "booktabs, longtable"
        lines = [rf"{{{_size(width)}", rf"\begin{{longtable}}{{{columns}}}", caption + r"\\", *heading, r"\endhead"]
        lines += [*body, r"\bottomrule", r"\end{longtable}", *notes, "}"]
    else:
        packages = "booktabs, graphicx" if width > TOO_WIDE else "booktabs"
        table = "table*" if width > COLUMN_WIDE else "table"
        begin, end = (r"\resizebox{\textwidth}{!}{%", ["}"]) if width > TOO_WIDE else (_size(width), [])
        lines = [rf"\begin{{{table}}}", r"\centering", caption, begin, rf"\begin{{tabular}}{{{columns}}}", *heading]
        lines += [*body, r"\bottomrule", r"\end{tabular}", *end]
        lines += [r"\par\smallskip\footnotesize", *notes] if notes else []
        lines += [rf"\end{{{table}}}"]
    return "\n".join([f"% needs the LaTeX packages {packages}", *lines]) + "\n"


def csv_text(layout: Layout) -> str:
    """The printed cells as CSV; title and notes are left out."""
    return pd.DataFrame(filter(None, layout.rows), columns=layout.headings).to_csv(index=False)


def terminal(layout: Layout) -> Group:
    """The layout for rich's console, title and notes as wide as the console."""
    title = Text(layout.title, style="bold")
    return Group(title, terminal_cells(layout), *(Text(note) for note in layout.notes), Text())


def terminal_cells(layout: Layout) -> Table:
    """The layout for rich's console without title and notes."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for i, heading in enumerate(layout.headings):
        justify: JustifyMethod = "left" if i < layout.left else "right"
        # Words may go to the next line; neither they nor numbers may be torn apart.
        cells = [heading, *(row[i] for row in layout.rows if row)]
        words = i < layout.left or any(re.search(r" [(a-z]", cell) for cell in cells)
        longest = max(len(word) for cell in cells for word in (cell.split(" ") if words else [cell]))
        table.add_column(escape(heading), justify=justify, overflow="fold", no_wrap=not words, min_width=longest)
    for row in layout.rows:
        if row:
            table.add_row(*map(escape, row))
        else:
            table.add_section()
    return table


def _markdown(text: str) -> str:
    return re.sub(r"([\\|*<`]|(?<!\w)_|_(?!\w))", r"\\\1", text)


def _latex(text: str) -> str:
    return _NEGATIVE.sub("\0", text).translate(_LATEX)


def _size(width: int) -> str:
    return r"\scriptsize\setlength{\tabcolsep}{3pt}" if width > WIDE else r"\small"


def _latex_row(cells: tuple[str, ...]) -> str:
    return f"{' & '.join(map(_latex, cells))} \\\\"
