import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from hand_made import ROW
from page_studies import HOSTILE, as_runs, made, make_runs, make_table, outcome, run, write_studies

from oraclecheck.analysis.tables import combinations_table, correlate
from oraclecheck.files import encoded
from oraclecheck.report.page import write_page
from oraclecheck.report.page.columns import GROUPS
from oraclecheck.report.page.gaps import gaps
from oraclecheck.report.page.points import scatter_points
from oraclecheck.report.page.settings import flat, provenance
from oraclecheck.report.page.verdicts import distinct_titles, in_common, sentence, statistics_line


class Elements(HTMLParser):
    """What an HTML parser that knows nothing of the page finds in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


def points_of(text: str) -> list[dict]:
    return json.loads(re.search(r'<script type="application/json" id="points">(.*?)</script>', text)[1])["studies"]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_studies(tmp_path_factory.mktemp("page") / "index.html")


def test_page_has_the_same_bytes_for_the_same_input(page, tmp_path):
    assert write_studies(tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_page_holds_only_its_own_elements_whatever_names_and_tracebacks_say(page):
    tags = Elements(page.read_text()).tags
    assert [tag for tag, _ in tags].count("script") == 3
    assert not [tag for tag, attributes in tags if tag == "img" or "onerror" in attributes or "src" in attributes]
    assert page.read_text().count(HOSTILE) == 0


def test_page_may_run_only_its_own_scripts_and_fetch_nothing(page):
    (policy,) = [a["content"] for tag, a in Elements(page.read_text()).tags if a.get("http-equiv")]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy and "'unsafe-inline'" not in policy.split("style-src")[0]


def test_page_of_a_table_without_intervals_and_ceilings_says_so(tmp_path):
    table = make_table().assign(agreement_low=math.nan, agreement_high=math.nan, ceiling=math.nan)
    runs = make_runs()
    write_page(tmp_path / "index.html", made(runs[runs["study"] == "plain"], table[table["study"] == "plain"]))
    text = (tmp_path / "index.html").read_text()
    assert "(no interval), noise ceiling unknown" in text


def test_page_of_an_error_that_is_no_text_is_written(tmp_path):
    runs = make_runs().query("study == 'without outcome'")
    runs = runs.assign(error=pd.Series(["OSError: caf\udc80"], index=runs.index, dtype=object))
    table = make_table().query("study == 'without outcome'")
    write_page(tmp_path / "index.html", made(runs, table))
    assert "OSError: caf?" in (tmp_path / "index.html").read_text()


def test_points_survive_json_with_values_it_cannot_hold(page):
    study = points_of(page.read_text())[0]
    assert study["combo"] == [0, 1, 2, 3, 4, None] and study["picked"][-1] == "l1" and study["choice"] == 0
    assert study["score"] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.25]
    assert study["y"]["last"]["accuracy"][:4] == pytest.approx([0.91, 0.81, 0.96, 0.91])
    assert study["y"]["last"]["accuracy"][4] == "-inf" and study["y"]["best"]["loss"][4] == "inf"
    assert study["each"]["last"]["accuracy"][4] == [0.85, "diverged"]
    assert study["removed"][2] == "conv1 2, 9"


def test_points_of_one_repeat_say_no_value_twice():
    runs = as_runs([run("one", combo, 0, **outcome(0.5, 1.0 - combo / 10)) for combo in range(3)])
    points = scatter_points(runs, combinations_table(runs))
    assert "each" not in points and points["choice"] == 2


def test_points_beyond_exact_integers_stay_exact():
    runs = as_runs([run("big", combo, 0, **outcome(0.5, 1.0)) for combo in (3, 2**64 + 1)])
    assert scatter_points(runs, combinations_table(runs))["combo"] == [3, "18446744073709551617"]


def test_points_say_whether_scores_pile_up_near_0():
    runs = as_runs([run("one", combo, 0, **outcome(0.5, 0.01 * 1.5**combo)) for combo in range(20)])
    assert scatter_points(runs, combinations_table(runs))["logarithmic"] is True
    runs = make_runs().query("study == 'plain'")
    assert scatter_points(runs, combinations_table(runs))["logarithmic"] is False


def test_five_thousand_points_of_three_repeats_stay_below_three_megabytes():
    rows = [
        run("many", c, r, **outcome(0.9 + ((c * 7919 + r * 104729) % 1000) / 10007, 1 + c / 7))
        | {"removed": {"features.0": list(range(c % 64)), "features.3": [c]}}
        for c in range(250)
        for r in range(3)
    ]
    runs = as_runs(rows)
    text = json.dumps(encoded(scatter_points(runs, combinations_table(runs)), None), separators=(",", ":"))
    assert len(text) * 20 < 3e6


def test_sentence_names_every_number_it_rests_on():
    row = {"agreement": -0.071, "agreement_low": -0.2, "agreement_high": 0.06, "ceiling": 0.581}
    row |= {"p": 0.4, "p_permutation": 0.00047, "verdict": "invalid", "reason": "the interval of s* ends at 0.11"}
    assert sentence(ROW | row | {"relation": "opposes"}) == (
        "The pruned train loss opposes the test accuracy after the last epoch, and it is not valid to choose by "
        "(one trained network): agreement "
        "s = −0.07 (95 % interval over repeats −0.20 to 0.06), noise ceiling 0.58, filter-permutation p = 4.7 × 10⁻⁴, "
        "45 combinations, 3 repeats. The interval of s* ends at 0.11."
    )


def test_sentence_says_what_is_not_known():
    row = {"metric": "loss", "final": "best", "n": 1, "k": 1, "agreement": math.nan, "p": math.nan}
    row |= {"p_permutation": math.nan, "relation": "none shown", "verdict": "undecided", "ceiling": math.nan}
    text = sentence(ROW | row)
    assert "agreement s is not defined, noise ceiling unknown, 1 combinations, 1 repeat." in text
    assert text.startswith(
        "No relation of the pruned train loss to the test loss at the best epoch is shown; whether it"
    )


def test_studies_are_called_by_what_differs():
    rows = [
        {"study": f"a-0000000{i}", "model": "m", "data": "d", "layers": "conv1/conv2", "pruning_ratio": "0.5"}
        for i in range(3)
    ]
    table = pd.DataFrame([row | {"pretrain_seed": min(i, 1), "wiring": "correct"} for i, row in enumerate(rows)])
    assert list(distinct_titles(table).values()) == ["dense seed 0", "dense seed 1, 00000001", "dense seed 1, 00000002"]
    assert in_common(table) == "m, d, conv1/2, 0.5, wiring correct"
    assert list(distinct_titles(table[:1]).values()) == ["m on d, conv1/2 at 0.5"] and in_common(table[:1]) == ""


def test_a_study_of_which_nothing_is_known_is_called_by_its_name():
    table = pd.DataFrame([{"study": "points", "model": None, "data": None}, {"study": "b", "model": "m", "data": "d"}])
    assert list(distinct_titles(table)) == ["points", "b"] and distinct_titles(table)["points"] == "points"


def test_statistics_line_has_s_with_its_interval_the_ceiling_and_the_permuted_p():
    assert statistics_line(ROW) == (
        "s = 0.61 [0.50, 0.71], noise ceiling 0.92, filter-permutation p = 5.0 × 10⁻⁴, n = 45, k = 3"
    )
    assert statistics_line(ROW | {"agreement": math.nan}) == "s is not defined, n = 45"


def test_sentence_over_dense_networks_claims_no_more_than_their_mean():
    row = {"metric": "loss", "final": "last", "networks": 4, "agreement": 0.2004, "agreement_low": 0.1}
    row |= {"agreement_high": 0.3, "verdict": "undecided", "reason": "sample: the interval holds 0.2"}
    row |= {"relation": "agrees", "scope": "4 networks"}
    assert sentence(row) == (
        "Over dense networks, the pruned train loss agrees with the test loss after the last epoch; whether it is "
        "valid to choose by is undecided: mean agreement s = 0.2004 (95 % interval over networks 0.10 to 0.30), "
        "4 dense networks. Sample: the interval holds 0.2."
    )


def test_sentence_over_dense_networks_says_what_one_bad_network_would_change():
    row = {"metric": "loss", "final": "last", "networks": 4, "agreement": 0.5, "agreement_low": 0.1}
    row |= {"agreement_high": 0.9, "agreement_median": 0.55, "leave_out_low": 0.45, "leave_out_high": 0.6}
    row |= {"p_sign": 0.125, "noise_free": 0.6, "noise_free_low": 0.2, "noise_free_high": 1.0, "reason": "why"}
    row |= {"relation": "agrees", "verdict": "undecided"}
    assert "4 dense networks, median 0.55, without any one of them 0.45 to 0.60, sign test p = 0.12, " in sentence(row)
    assert "freed of noise 0.60 (0.20 to 1.00)" in sentence(row)


def test_sentence_flags_a_ceiling_that_rests_on_collapsed_combinations():
    assert "noise ceiling 0.92 (maybe too high: 1 combination has collapsed)" in sentence(ROW | {"collapsed": 1})


def test_every_column_has_one_definition_and_prints_undefined_as_a_dash():
    columns = [column for group in GROUPS.values() for column in group]
    assert len({column.name for column in columns}) == len(columns)
    for column in columns:
        assert column.meaning.endswith(".")
        assert column.text({column.name: pd.NA}) == "–" and column.sort_key({column.name: pd.NA}) == ""


def test_every_number_that_correlate_gives_has_a_column():
    known = {name for group in GROUPS.values() for column in group for name in (column.name, *column.ends)}
    assert set(correlate(make_runs(), draws=2).columns) - known == set()


def test_regret_is_printed_in_the_metric_s_unit():
    (regret,) = [column for group in GROUPS.values() for column in group if column.name == "regret"]
    row = {"regret": 0.0123, "regret_low": -0.001, "regret_high": 0.02, "metric": "accuracy"}
    assert (regret.text(row), regret.interval(row)) == ("1.23 pp", "[−0.10, 2.00]")
    assert regret.text(row | {"metric": "loss"}) == "0.0123"
    assert regret.text(row | {"regret": -1e-6}) == "0.00 pp"


def test_gaps_group_runs_by_the_last_line_of_their_error():
    errors = [f"Traceback\nOSError: block {n}" for n in range(30)] + ["Traceback\nKeyError: 'x'"] * 2
    rows = [run("s", c, 0, status="failed", error=error) for c, error in enumerate(errors)]
    rows.append(run("s", 32, 0, status="unfinished"))
    failed, unfinished = gaps(as_runs(rows), {"missing": 0})
    assert failed["count"] == 32 and failed["unlisted"] == 0
    first, second = failed["kinds"]
    assert (first["reason"], first["count"], first["numbers_differ"]) == ("OSError: block 0", 30, True)
    assert (second["reason"], second["count"], second["numbers_differ"]) == ("KeyError: 'x'", 2, False)
    assert first["runs"].startswith("0/0, 1/0,") and first["runs"].endswith("23/0 and 6 more")
    assert first["traceback"] == errors[0]
    assert unfinished["kinds"][0]["runs"] == "32/0"


def test_gaps_name_the_missing_runs_of_a_census():
    rows = [run("s", c, r, **outcome(0.9, 1.0)) for c in (0, 1, 3) for r in (0, 1) if (c, r) != (1, 0)]
    (missing,) = gaps(as_runs(rows), {"missing": 3, "space": "enumerated", "space_size": 4})
    assert missing["count"] == 3 and missing["kinds"][0]["runs"] == "1/0, 2/0, 2/1"
    (missing,) = gaps(as_runs(rows), {"missing": 1, "space": "sampled", "space_size": 10**30})
    assert missing["kinds"][0]["runs"] == "1/0"


def test_gaps_say_how_many_they_do_not_list():
    letters = [chr(ord("A") + n // 26) + chr(ord("A") + n % 26) for n in range(130)]
    rows = [run("s", c, 0, status="failed", error=f"ValueError: {word}") for c, word in enumerate(letters)]
    (failed,) = gaps(as_runs(rows), {"missing": 0})
    assert len(failed["kinds"]) == 100 and failed["unlisted"] == 30


def test_configuration_is_shown_as_the_keys_of_the_command_line():
    config = {"retrain": {"lr": "0: 1e-3", "epochs": 30}, "study": None, "ratio": [0.5], "empty": {}}
    assert list(flat(config)) == [
        ("retrain.lr", "0: 1e-3"),
        ("retrain.epochs", "30"),
        ("study", "null"),
        ("ratio", "[0.5]"),
        ("empty", "{}"),
    ]
    assert list(flat({})) == []


def test_provenance_counts_runs_where_machines_differ():
    rows = [run("s", c, 0, device="cpu" if c else "cuda", duration_total=1800.0, **outcome(0.9, 1.0)) for c in range(4)]
    facts = dict(provenance(as_runs(rows)))
    assert facts["device"] == "cpu (3 runs), cuda (1 runs)" and facts["torch"] == "2.15.0" and facts["threads"] == "1"
    assert facts["computing time"] == "2.00 hours in 4 runs"


@pytest.mark.parametrize(("size", "words"), [(63_504, "5 of 63,504 combinations in order"), (None, None)])
def test_page_of_a_part_of_an_enumerated_space_does_not_call_it_whole(tmp_path, size, words):
    runs = make_runs()
    runs = runs[runs["study"] == "plain"].assign(order="lexicographic", space_size=size)
    table = correlate(runs, draws=2)
    write_page(tmp_path / "page.html", made(runs, table))
    text = (tmp_path / "page.html").read_text()
    assert "all 63,504" not in text and (words is None or words in text)
    assert "combinations are no random sample of them" in text
