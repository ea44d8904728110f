"""The page about the published points is what its command writes."""

import runpy
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "published.md"


def test_published_page_is_what_its_command_writes(data_root, tmp_path):
    runpy.run_path(str(PAGE.with_suffix(".py")))["main"](data_root, tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text() == PAGE.read_text()
