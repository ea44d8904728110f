"""The page of two studies, and a browser to look at it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_studies import HOSTILE, make_runs, make_table

from oraclecheck.analysis.page import write_page


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "index.html"
    settings = {"plain": {"config": {"retrain": {"lr": "0: 1e-3"}, "note": HOSTILE}, "definition": {"seed": 0}}}
    write_page(path, make_runs(), make_table(), settings=settings, command=f"report {HOSTILE}")
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The machine's own Chromium; nothing is downloaded."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()
