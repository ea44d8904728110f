"""The page as a reader meets it: real mouse and keys in the machine's Chromium."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mixed_sweep import mixed_sweep
from page_studies import HOSTILE, made, make_criteria, make_partial, make_runs, make_table, write_studies

from oraclecheck.report.findings import find
from oraclecheck.report.page import write_page

pytest.importorskip("selenium")
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

WIDE = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}

POINT = """
const plot = document.getElementById("plot"), box = plot.getBoundingClientRect(), layout = plot._fullLayout;
const [x, y] = arguments;
return [box.left + layout.xaxis._offset + layout.xaxis.d2p(x), box.top + layout.yaxis._offset + layout.yaxis.d2p(y)];
"""


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_studies(tmp_path_factory.mktemp("page") / "index.html")


@pytest.fixture(scope="module")
def opened(browser, page):
    """The page, loaded once, its plot drawn."""
    browser.get(page.as_uri())
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#plot .point"))
    return browser


@pytest.fixture
def chrome(opened):
    """The page in its first state, whatever the test before did."""
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", WIDE)
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    for name, value in (("metric", "accuracy"), ("final", "last")):
        switch(opened, name, value)
    Select(opened.find_element(By.ID, "study")).select_by_index(0)
    return opened


def switch(chrome, state, value):
    button = chrome.find_element(By.CSS_SELECTOR, f"#scatter [data-state={state}][value={value}]")
    if not button.is_selected():
        ActionChains(chrome, duration=0).move_to_element(button).click().perform()


def hover(chrome, x, y, expected):
    """Move the mouse to a point of the plot, given in the axes' units, and wait for the words that should appear."""
    chrome.execute_script("document.getElementById('scatter').scrollIntoView()")
    left, top = map(int, chrome.execute_script(POINT, x, y))
    actions = ActionChains(chrome, duration=0)
    actions.w3c_actions.pointer_action.move_to_location(left + 3, top + 2).move_to_location(left, top)
    actions.perform()
    wait(chrome, lambda: expected in label(chrome))
    return label(chrome)


def label(chrome):
    """The words beside the point under the mouse."""
    return chrome.execute_script("return document.querySelector('#plot .hoverlayer').textContent").replace("\xa0", " ")


def title(chrome):
    lines = chrome.find_elements(By.CSS_SELECTOR, "#plot .gtitle tspan.line")
    return " ".join(line.get_attribute("textContent") for line in lines)


def wait(chrome, condition):
    """Give the page ten seconds: it draws when the browser has time for it."""
    WebDriverWait(chrome, 10, poll_frequency=0.02).until(lambda _: condition())


def legend(chrome):
    return chrome.find_element(By.CSS_SELECTOR, "#plot .legend").text


def column(chrome, name):
    place = chrome.execute_script("return arguments[0].cellIndex", heading(chrome, name)) + 1
    cells = chrome.find_elements(By.CSS_SELECTOR, f"#table tbody tr > :nth-child({place})")
    return [cell.text.split("\n")[0] for cell in cells if cell.is_displayed()]


def heading(chrome, name):
    return chrome.find_element(By.CSS_SELECTOR, f"#table thead [data-column={name}]")


def test_page_renders_without_errors_and_without_network(chrome):
    assert chrome.find_elements(By.CSS_SELECTOR, "#plot .scatterlayer .point")
    assert chrome.execute_script("return performance.getEntriesByType('resource').map((e) => e.name)") == []
    assert [entry for entry in chrome.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_page_cannot_reach_the_network(chrome):
    refused = chrome.execute_async_script(
        "const done = arguments[0];"
        "document.addEventListener('securitypolicyviolation', (e) => done(e.violatedDirective));"
        "fetch('http://127.0.0.1:9/').catch(() => {});"
    )
    assert refused == "connect-src"
    chrome.get_log("browser")


def test_hostile_names_are_text(chrome):
    Select(chrome.find_element(By.ID, "study")).select_by_index(1)
    assert HOSTILE in hover(chrome, 1.0, 60.0, "Combination 1")
    assert chrome.execute_script("return window.hacked === undefined && document.images.length === 0")
    assert HOSTILE in chrome.find_element(By.CSS_SELECTOR, "#runs .reason").text
    assert HOSTILE in column(chrome, "study")


def test_heading_sorts_by_number_with_undefined_last(chrome):
    button = heading(chrome, "agreement").find_element(By.TAG_NAME, "button")
    ActionChains(chrome, duration=0).move_to_element(button).click().perform()
    assert column(chrome, "agreement") == ["−0.25", "−0.23", "+0.50", "+0.52", "–", "–"]
    assert heading(chrome, "agreement").get_attribute("aria-sort") == "ascending"
    button.click()
    assert column(chrome, "agreement") == ["+0.52", "+0.50", "−0.23", "−0.25", "–", "–"]
    button = heading(chrome, "ceiling").find_element(By.TAG_NAME, "button")
    for _ in range(2):
        button.click()
        assert column(chrome, "ceiling") == ["0.90", "0.90", "–", "–", "–", "–"]


def test_heading_sorts_by_keyboard(chrome):
    heading(chrome, "p_holm").find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert column(chrome, "p_holm") == ["2.0 × 10⁻⁵", "2.0 × 10⁻⁵", "0.04", "0.04", "–", "–"]
    assert heading(chrome, "agreement").get_attribute("aria-sort") == "none"


def test_columns_come_on_demand(chrome):
    assert column(chrome, "tau") == []
    chrome.find_element(By.CSS_SELECTOR, ".columns summary").click()
    box = chrome.find_element(By.CSS_SELECTOR, ".columns [data-column=tau]")
    box.click()
    assert sorted(column(chrome, "tau")) == ["+0.25", "+0.25", "–", "–", "−0.50", "−0.50"]
    box.click()
    chrome.find_element(By.CSS_SELECTOR, ".columns summary").click()
    assert column(chrome, "tau") == []


def test_hovering_a_point_shows_its_combination_filters_and_repeats(chrome):
    tip = hover(chrome, 0.3, 96, "Combination 2")
    assert "conv1 2, 9" in tip and "96 %" in tip and "0: 95 % · 1: 97 %" in tip
    hover(chrome, 0.1, 91, "Combination 0 – the oracle’s choice")
    hover(chrome, 0.25, 93, "Pick of l1")


def test_diverged_combination_is_drawn_at_the_edge(chrome):
    finite = [81, 91, 93, 96]
    tip = hover(chrome, 0.5, min(finite) - 0.08 * (max(finite) - min(finite)), "Combination 4")
    assert "0: 85 % · 1: diverged" in tip
    assert "1 diverged, drawn at the edge" in legend(chrome)


def test_legend_counts_strictly_better_combinations(chrome):
    assert "strictly better than the choice (1 of 5, 20.0 %)" in legend(chrome)


def test_switches_change_the_plot(chrome):
    switch(chrome, "metric", "loss")
    assert "test loss after the last epoch" in chrome.find_element(By.CSS_SELECTOR, "#plot .ytitle").text
    hover(chrome, 0.3, 0.04, "0.04")
    assert "s = 0.52" in chrome.find_element(By.ID, "caption").text
    switch(chrome, "final", "best")
    hover(chrome, 0.3, 0.03, "0.03")
    assert "test loss at the best epoch" in chrome.find_element(By.ID, "caption").text
    assert "s = 0.62" in chrome.find_element(By.ID, "caption").text and "s = 0.62 [0.40, 0.60]" in title(chrome)


def test_plot_says_its_study_and_statistics_and_shows_the_spread_over_repeats(chrome):
    assert title(chrome).startswith("lenet5_mini, mnist, conv1, 0.2, wiring correct")
    assert "s = 0.50 [0.40, 0.60], noise ceiling 0.90" in title(chrome)
    bars = "return document.querySelector('#plot').data.map((t) => t.error_y?.arrayminus ?? []).flat().filter((v) => v)"
    assert chrome.execute_script(bars) == pytest.approx([1, 1])  # 0.80 and 0.82, 0.95 and 0.97


def test_every_scatter_button_opens_its_own_study_and_metric(chrome):
    buttons = chrome.find_elements(By.CSS_SELECTOR, "button.show")
    assert len(buttons) == 6
    titles = [option.text for option in Select(chrome.find_element(By.ID, "study")).options]
    studies = chrome.find_elements(By.CSS_SELECTOR, ".overview details.study")
    for button in buttons:
        study = button.find_element(By.XPATH, "ancestor::details")
        chrome.execute_script("arguments[0].click()", button)
        shown = Select(chrome.find_element(By.ID, "study")).first_selected_option.text
        assert shown == titles[studies.index(study)]
        metric = button.get_attribute("data-metric")
        assert f"test {metric}" in chrome.find_element(By.CSS_SELECTOR, "#plot .ytitle").text
    assert not [entry for entry in chrome.get_log("browser") if entry["level"] == "SEVERE"]


def test_overview_folds_and_is_filtered_by_the_beginnings_of_words(chrome):
    lines = chrome.find_elements(By.CSS_SELECTOR, ".overview details.study")
    sentence = lines[0].find_element(By.CSS_SELECTOR, ".quote")
    assert not sentence.is_displayed()
    summary = lines[0].find_element(By.TAG_NAME, "summary")
    chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", summary)
    summary.click()
    assert sentence.is_displayed()
    summary.click()
    field = chrome.find_element(By.CSS_SELECTOR, "#verdicts .filter")
    for words, count in (("conv1 mnist lenet", 1), ("valid", 0), ("undec", 3), ("without outcome", 1)):
        field.clear()
        field.send_keys(words)
        assert sum(line.is_displayed() for line in lines) == count, words
        assert chrome.find_element(By.CSS_SELECTOR, ".count").text == f"{count} of 3"
    assert len(column(chrome, "metric")) == 2
    field.send_keys(Keys.CONTROL, "a", Keys.DELETE)
    assert len(column(chrome, "metric")) == 6


def test_study_selector_changes_the_points(chrome):
    before = len(chrome.find_elements(By.CSS_SELECTOR, "#plot .point"))
    Select(chrome.find_element(By.ID, "study")).select_by_index(1)
    assert (before, len(chrome.find_elements(By.CSS_SELECTOR, "#plot .point"))) == (6, 3)
    assert "combination 2" in legend(chrome)


def test_study_without_an_outcome_has_an_empty_plot(chrome):
    Select(chrome.find_element(By.ID, "study")).select_by_index(2)
    assert chrome.find_elements(By.CSS_SELECTOR, "#plot .point") == []
    assert "s is not defined" in chrome.find_element(By.ID, "caption").text
    assert not chrome.find_element(By.CSS_SELECTOR, "#scatter [value=loss]").is_enabled()


def test_combination_is_found_by_its_index(chrome):
    field = chrome.find_element(By.ID, "find")
    field.send_keys("1")
    assert "Combination 1" in chrome.find_element(By.ID, "details").text
    field.send_keys("7")
    assert "No outcome of a combination 17" in chrome.find_element(By.ID, "details").text
    field.send_keys(Keys.BACKSPACE, Keys.BACKSPACE)


def test_click_on_a_point_keeps_it_in_view(chrome):
    hover(chrome, 0.2, 81, "Combination 1")
    ActionChains(chrome).click().perform()
    hover(chrome, 0.3, 96, "Combination 2")
    assert "Combination 1" in chrome.find_element(By.ID, "details").text


def test_page_is_dark_where_the_reader_prefers_it_but_for_paper(chrome):
    ink = "return document.querySelector('#plot .xtitle').style.fill"
    light = chrome.execute_script(ink)
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    background = chrome.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(21, 24, 27)"
    wait(chrome, lambda: chrome.execute_script(ink) != light)
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", **dark})
    wait(chrome, lambda: chrome.execute_script(ink) == light)


def test_page_fits_a_telephone(chrome):
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", WIDE | {"width": 390, "height": 844, "mobile": True})
    wait(chrome, lambda: chrome.execute_script("return document.documentElement.scrollWidth") == 390)


def test_every_control_and_region_has_a_name(chrome):
    nameless = chrome.execute_script(
        "return [...document.querySelectorAll('a, button, input, select, [role=region], [role=img]')].filter((e) =>"
        " !e.closest('.modebar') && !e.textContent.trim() && !e.ariaLabel && !e.getAttribute('aria-labelledby')"
        " && !e.labels?.[0]?.textContent.trim()).map((e) => e.outerHTML)"
    )
    assert nameless == []


def test_page_had_no_errors_whatever_was_done_with_it(chrome):
    assert [entry for entry in chrome.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.fixture(scope="module")
def judged(browser, tmp_path_factory):
    """The page of four criteria in three dense networks, and of how soon retraining tells how it ends."""
    path = tmp_path_factory.mktemp("judged") / "index.html"
    findings = made(make_runs(), make_table(), study_files={}, partial=make_partial())
    write_page(path, findings, criteria=make_criteria())
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", WIDE)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    browser.get(path.as_uri())
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#plot .point"))
    return browser


def test_criteria_stand_in_rows_that_are_a_figure(judged):
    judged.find_element(By.CSS_SELECTOR, "nav a[href='#criteria']").click()
    rows = judged.find_elements(By.CSS_SELECTOR, "#criteria .criteria tbody tr")
    assert [row.find_element(By.TAG_NAME, "th").text for row in rows] == ["taylor", "oracle", HOSTILE, "random"]
    assert all(row.is_displayed() for row in rows)
    first = rows[0].find_elements(By.TAG_NAME, "td")
    assert [cell.text for cell in first][1:4] == ["0.52", "[0.47, 0.57]", "1 (1–2)"]

    def middles(selector):
        found = judged.find_elements(By.CSS_SELECTOR, f"#criteria .criteria tbody {selector}")
        return [box["x"] + box["width"] / 2 for box in (each.rect for each in found)]

    estimates, ceilings = middles(".estimate"), middles(".ceiling")
    assert (
        estimates == sorted(estimates, reverse=True)
        and max(ceilings) - min(ceilings) < 0.5 < ceilings[0] - estimates[0]
    )
    assert len(middles(".network")) == 12


def test_curves_rise_to_the_end_of_the_retraining(judged):
    judged.find_element(By.CSS_SELECTOR, "nav a[href='#further']").click()
    curves = judged.find_elements(By.CSS_SELECTOR, "#further svg.curve")
    assert [curve.get_attribute("aria-label").partition(":")[0] for curve in curves] == [
        "test accuracy, one dense network",
        "test loss, one dense network",
    ]
    for curve in curves:
        line, other, box = (curve.find_element(By.CSS_SELECTOR, name).rect for name in (".tau", ".other", ".band"))
        assert line["width"] > 200 and line["y"] < other["y"] and box["height"] > line["height"] > other["height"]
    cells = judged.find_elements(By.CSS_SELECTOR, "#further tbody tr:first-child td")
    assert "0.10 [0.00, 0.20]" in [cell.text for cell in cells]


def test_differences_of_criteria_unfold(judged):
    cell = judged.find_element(By.CSS_SELECTOR, "#criteria .differences tbody tr:nth-child(2) td:nth-child(2)")
    assert not cell.is_displayed()
    summary = judged.find_element(By.CSS_SELECTOR, "#criteria details summary")
    judged.execute_script("arguments[0].scrollIntoView({block: 'center'})", summary)
    summary.click()
    assert cell.is_displayed() and cell.text == "−0.10"
    assert cell.get_attribute("title").startswith("s of oracle minus s of taylor: −0.10, 95 % [−0.12, −0.08]")
    assert int(cell.value_of_css_property("font-weight")) >= 600
    judged.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", WIDE | {"width": 390, "height": 844, "mobile": True})
    wait(judged, lambda: judged.execute_script("return document.documentElement.scrollWidth") == 390)
    assert not [entry for entry in judged.get_log("browser") if entry["level"] == "SEVERE"]
    assert judged.execute_script("return window.hacked === undefined && document.images.length === 0")


@pytest.fixture(scope="module")
def mixed(browser, tmp_path_factory):
    """The page of fifteen studies."""
    path = tmp_path_factory.mktemp("mixed") / "index.html"
    write_page(path, find(mixed_sweep(), final="last", metric="both", study_files={}))
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", WIDE | {"width": 1400})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    browser.get(path.as_uri())
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#plot .point"))
    return browser


def test_fifteen_studies_open_with_a_line_each(mixed):
    lines = mixed.find_elements(By.CSS_SELECTOR, ".overview summary")
    assert len(lines) == 19 and max(line.size["height"] for line in lines) < 40
    assert mixed.find_element(By.ID, "verdicts").size["height"] < 1500


def test_what_a_row_is_about_and_its_s_stay_in_view(mixed):
    leading = mixed.find_elements(By.CSS_SELECTOR, "#table thead .fixed")
    names = [cell.get_attribute("data-column") for cell in leading]
    assert names == ["layers", "pruning_ratio", "wiring", "pretrain_seed", "metric", "agreement"]
    before = [cell.location["x"] for cell in leading]
    mixed.execute_script("document.querySelector('#numbers .scroll').scrollLeft = 200")
    assert [cell.location["x"] for cell in leading] == before
    assert heading(mixed, "relation").location["x"] < before[-1] + leading[-1].size["width"]


def test_scores_that_pile_up_near_0_have_a_logarithmic_axis(mixed):
    assert mixed.execute_script("return document.getElementById('plot')._fullLayout.xaxis.type") == "log"
    choice = "const star = document.getElementById('plot').data.at(-2); return [star.x[0], star.y[0]]"
    hover(mixed, *mixed.execute_script(choice), "the oracle’s choice")
    Select(mixed.find_element(By.ID, "study")).select_by_index(1)
    assert mixed.execute_script("return document.getElementById('plot')._fullLayout.xaxis.type") == "linear"


def test_every_button_of_fifteen_studies_does_something_without_an_error(mixed):
    kinds = ".show, summary, #table thead button, .columns input, #scatter [data-state]"
    buttons = mixed.find_elements(By.CSS_SELECTOR, kinds)
    assert len(buttons) > 100
    for button in buttons:
        mixed.execute_script("arguments[0].click()", button)
    assert [entry for entry in mixed.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_clicks_faster_than_drawing_end_with_the_last_one(mixed):
    six = "[...document.querySelectorAll('.show')].slice(0, 6)"
    mixed.execute_script(f"for (let i = 0; i < 4; i++) for (const button of {six}) button.click()")
    wait(mixed, lambda: "conv1, 0.2, wiring correct, dense seed 2" in title(mixed))
    assert "test loss" in mixed.find_element(By.CSS_SELECTOR, "#plot .ytitle").text
