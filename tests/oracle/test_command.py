"""`python -m oraclecheck.oracle`: the exact search of a setting's space, and its picks in studies."""

import os
import random
import shutil

import pandas as pd
import pytest
from hydra import compose
from quick import QUICK

from oraclecheck.cli import main as sweep
from oraclecheck.command import schema
from oraclecheck.command.composition import initialised
from oraclecheck.command.interpret import interpret_setting
from oraclecheck.engines.evaluation import evaluate
from oraclecheck.oracle import search, searching
from oraclecheck.oracle.best import BestSearch
from oraclecheck.oracle.command import main
from oraclecheck.pipelines.dense import dense_checkpoint, dense_network, load_data
from oraclecheck.pipelines.one_shot import pruner
from oraclecheck.records.searches import read_search
from oraclecheck.records.table import load_runs

QUICK = (*QUICK, "logger=none")
LAYERS = "pruning.ratio={conv1: 0.2, conv2: 0.1}"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a dense network."""
    out = tmp_path_factory.mktemp("home")
    assert sweep([*QUICK, f"paths.out={out}", "stage=pretrain"]) == 0
    return out


@pytest.fixture
def out(home, tmp_path):
    """A copy of it."""
    return shutil.copytree(home, tmp_path / "multirun")


def table(out):
    (path,) = (out / "oracle").glob("*.parquet")
    return pd.read_parquet(path)


def test_search_agrees_with_records_and_its_picks_are_retrained(out, capsys):
    assert main([*QUICK, LAYERS, f"paths.out={out}", "oracle.top=2"]) == 0
    printed = capsys.readouterr().out
    found = table(out)
    assert list(found.columns) == ["index", "score"] and sorted(found["index"]) == list(range(450))
    assert "all 450 combinations on 240 images, by kernels: " in printed
    combos = 'combo="0,200,oracle,oracle-worst"'
    assert sweep([*QUICK, LAYERS, f"paths.out={out}", combos]) == 0
    runs = load_runs(out)
    scores = found.set_index("index")["score"]
    numbered = runs[runs["picked_by"].isna()]
    assert len(numbered) == 2
    for row in numbered.itertuples():
        assert scores[row.combo] == pytest.approx(row.pruned_train_loss, rel=1e-6)
    picked = runs.dropna(subset="picked_by").set_index("picked_by")
    assert picked.loc["oracle", "pruned_train_loss"] == pytest.approx(scores.min(), rel=1e-6)
    assert picked.loc["oracle-worst", "pruned_train_loss"] == pytest.approx(scores.max(), rel=1e-6)
    assert str(scores.idxmin()) in printed and str(scores.idxmax()) in printed
    assert (
        main([*QUICK, LAYERS, f"paths.out={out}", "pruning.order_seed=0", "retrain.weight_decay=0"]) == 0
    )  # nothing of it
    assert len(list((out / "oracle").iterdir())) == 1


def test_released_wiring_is_searched_as_it_is_wired(out):
    wired = [*QUICK, "pruning.ratio={conv1: 0.2}", "pruning.wiring=released_code", f"paths.out={out}"]
    assert main(wired) == 0
    scores = table(out).set_index("index")["score"]
    assert sweep([*wired, 'combo="3,44"']) == 0
    for row in load_runs(out).itertuples():
        assert scores[row.combo] == pytest.approx(row.pruned_train_loss, rel=1e-6)


def test_killed_search_goes_on_and_comes_to_the_same(out, monkeypatch, capsys):
    words = [*QUICK, "pruning.ratio={conv2: 0.2}", f"paths.out={out}"]
    assert main([*words, "workers=2"]) == 0
    whole, (path,) = table(out), (out / "oracle").glob("*.parquet")
    path.unlink()
    add, groups = search.Sums.add, []

    def stop(sums, *done):
        if len(groups) == 3:
            raise KeyboardInterrupt
        groups.append(done)
        add(sums, *done)

    with monkeypatch.context() as patch:
        patch.setattr(search.Sums, "add", stop)
        assert main(words) == 130
    (partial,) = (out / "oracle").glob("*.partial")
    assert not path.exists()
    with monkeypatch.context() as patch:
        patch.setattr(search.Sums, "add", lambda sums, *done: (groups.append(done), add(sums, *done)))
        assert main(words) == 0
    assert sum(images for _, images in groups) == 240 and not partial.exists()
    pd.testing.assert_frame_equal(table(out), whole, check_exact=True)


def test_damaged_remains_of_a_search_are_begun_anew(out):
    words = [*QUICK, "pruning.ratio={conv2: 0.1}", f"paths.out={out}"]
    assert main(words) == 0
    (path,) = (out / "oracle").glob("*.parquet")
    whole = path.read_bytes()
    path.rename(path.with_suffix(".partial"))
    assert main(words) == 0
    assert pd.read_parquet(path).equals(pd.read_parquet(pd.io.common.BytesIO(whole)))


def test_larger_space_gives_its_best_even_if_killed(out, monkeypatch, capsys):
    words = [*QUICK, "pruning.ratio={conv1: 0.1, conv2: 0.1, conv3: 0.1}", f"paths.out={out}", "workers=1"]
    assert main(words) == 0
    (path,) = (out / "oracle").glob("*.parquet")
    whole = pd.read_parquet(path).sort_values("score", kind="stable").reset_index(drop=True)
    path.unlink()
    monkeypatch.setattr(searching, "MOST", 500)
    monkeypatch.setattr(searching, "FEWEST", 15)
    search_unit, units = BestSearch.__call__, []

    def stop(self, unit, best):
        if len(units) == 20:  # beyond the first few small ones
            raise KeyboardInterrupt
        units.append(unit)
        return search_unit(self, unit, best)

    with monkeypatch.context() as patch:
        patch.setattr(BestSearch, "__call__", stop)
        assert main(words) == 130
    assert list((out / "oracle").glob("*.partial")) and not path.exists()
    capsys.readouterr()
    assert main(words) == 0
    assert "1,000 combinations on 240 images, the best 15 of them kept" in capsys.readouterr().out
    found = pd.read_parquet(path)
    pd.testing.assert_frame_equal(found, whole[:15], rtol=1e-6)
    assert sweep([*words, "combo=oracle-worst"]) == 2
    assert "combo must be oracle where a space was too large" in capsys.readouterr().err
    assert main([*words, "oracle.top=20"]) == 0  # more than were kept
    assert len(pd.read_parquet(path)) == 20 and not list((out / "oracle").glob("*.partial"))


def test_network_that_is_no_chain_is_searched_too(tmp_path, capsys):
    network = ("model.network._target_=own_chain.PaddedChain", "model.prunable=[]", f"paths.out={tmp_path / 'own'}")
    words = [*QUICK, *network, "pruning.ratio={conv2: 0.5}"]
    assert main(words) == 0
    assert "each pruned network from its first pruned layer on" in capsys.readouterr().out
    assert sweep([*words, 'combo="0,oracle"']) == 0
    scores, runs = table(tmp_path / "own").set_index("index")["score"], load_runs(tmp_path / "own")
    for row in runs[runs["picked_by"].isna()].itertuples():
        assert scores[row.combo] == pytest.approx(row.pruned_train_loss, rel=1e-6)
    (oracle,) = runs.dropna(subset="picked_by").itertuples()
    assert oracle.pruned_train_loss == pytest.approx(scores.min(), rel=1e-6)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_mnist_agrees_with_pruning_and_evaluating_each(tmp_path, data_root, monkeypatch):
    """Of 63,504 combinations on 60,000 images 200 at random; ten minutes on a core."""
    monkeypatch.setenv("ORACLECHECK_DATA", str(data_root))
    words = ["data=mnist", "pretrain.epochs=2", "pretrain.lr='0: 1e-2'", "pruning.ratio={conv1: 0.5, conv2: 0.5}"]
    assert main([*words, f"paths.out={tmp_path}"]) == 0
    schema.register()
    with initialised():
        setting = interpret_setting(compose("config", overrides=[*words, f"paths.out={tmp_path}"]))
    dense, scores = dense_network(setting, dense_checkpoint(setting)), table(tmp_path).set_index("index")["score"]
    images, prune, space = load_data(setting).measured_train, pruner(setting, dense), setting.pruning.space
    for index in random.Random(0).sample(range(space.size), 200):
        expected = evaluate(prune(dense, space.unrank(index)), images).loss
        assert scores[index] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["oracle.tops=3"], "there is no key 'oracle.tops': did you mean oracle.top?"),
        (["oracle.top=0"], "oracle.top must lie in [1, 10000]; got 0"),
        (["-m"], "-m must be left out"),
        (
            ["pruning.ratio={conv1: 0.5, conv2: 0.5, conv3: 0.5, hidden.0: 0.5}", "model.prunable=[]"],
            "must leave at most 100,000,000 combinations for an exact search; got 4032758016",
        ),
        (["pruning.ration=0.5"], "there is no key"),
        (["workers=0"], "workers must be at least 1"),
    ],
)
def test_bad_command_is_one_sentence(out, capsys, words, reason):
    assert main([*QUICK[:-2], *words, f"paths.out={out}"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("oraclecheck: ") and err.count("\n") == 1 and reason in err
    assert not (out / "oracle").exists()


def test_picks_of_a_space_that_is_not_searched_name_the_command(out, tmp_path, command):
    for paths in (out, tmp_path / "new"):  # with and without a dense network
        code, _, err = command(*QUICK, f"paths.out={paths}", "combo=oracle")
        assert code == 2 and err.count("\n") == 1
        assert "combo=oracle must come after the search of its space; run `python -m oraclecheck.oracle` first" in err


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_folder_that_cannot_be_written_is_one_sentence(out, capsys):
    (out / "oracle").mkdir(mode=0o500)
    assert main([*QUICK, f"paths.out={out}"]) == 2
    assert "paths.out must have room for the search's file" in capsys.readouterr().err


def test_full_disk_is_one_sentence_and_what_was_searched_stays(out, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    words = [*QUICK, "pruning.ratio={conv2: 0.1}", f"paths.out={out}"]
    with monkeypatch.context() as patch:
        patch.setattr("oraclecheck.oracle.searching.write_search", full)
        assert main(words) == 2
    err = capsys.readouterr().err
    said = err.splitlines()[-1]  # after how far it is, on a slow machine
    assert said.startswith("oraclecheck: paths.out must have room for the search's file; ")
    assert said.endswith("cannot be written: No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(search.Sums, "add", None)  # nothing is added up again
        assert main(words) == 0
    assert read_search(next((out / "oracle").glob("*.parquet"))).images == 240
