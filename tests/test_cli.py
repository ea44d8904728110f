"""The command line: what a user types, and what a user reads."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from quick import FEW, QUICK

from oraclecheck import experiment
from oraclecheck.networks.lenet import LeNet5Mini


def records(out: Path = Path("multirun")) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(out.glob("*/*/*/record.json"))]


def test_command_without_arguments_prunes_lenet_on_digits(command):
    whole = (
        "data.source._target_=oraclecheck.data.sources.Digits",
        "pretrain.batch_size=128",
        "retrain.batch_size=128",
    )
    code, out, err = command(*QUICK, *whole)
    (record,) = records()
    assert code == 0, err
    assert (record["model"], record["data"], record["combo"], record["repeat"]) == ("lenet5_mini", "digits", 0, 0)
    assert record["removed"] == {"conv1": [0, 1, 2, 3, 4]} and record["status"] == "ok"
    assert f"python -m oraclecheck.report multirun/{record['study']}" in out


def test_command_runs_a_set_of_combinations_and_the_l1_choice(command):
    code, *_ = command(*QUICK, "logger=none", 'combo="0-2,17,l1"', "repeat=1")
    found = records()
    assert code == 0
    assert sorted(record["combo"] for record in found if not record["picked_by"]) == [0, 1, 2, 17]
    (picked,) = [record for record in found if record["picked_by"]]
    dense = torch.load(next(Path("multirun/dense").glob("*.pt")), weights_only=True)["state_dict"]
    norms = dense["conv1.weight"].abs().sum((1, 2, 3))
    assert picked["removed"]["conv1"] == sorted(norms.argsort()[:5].tolist()) and picked["combo"] is None


def test_multirun_adds_to_one_study_and_a_relaunch_trains_nothing(command, monkeypatch):
    sweep = ("-m", *QUICK, "logger=none", "combo=range(3)", "repeat=0,1", "pruning.ratio={conv2: 0.2}")
    assert command(*sweep)[0] == 0
    before = {path: path.stat().st_mtime_ns for path in Path("multirun").glob("*/*/*/record.json")}
    assert len(before) == 6 and {tuple(record["layers"]) for record in records()} == {("conv2",)}
    monkeypatch.setattr("oraclecheck.engines.lightning.retrain", lambda *_: pytest.fail("a finished run was retrained"))
    code, _, err = command(*sweep)
    assert code == 0 and "Nothing to do" in err
    assert before == {path: path.stat().st_mtime_ns for path in Path("multirun").glob("*/*/*/record.json")}


def test_all_combinations_are_those_of_an_enumerated_space(command):
    assert command("-m", *QUICK, "logger=none", "combo=all,l1", "pruning.ratio={conv1: 0.1}")[0] == 0
    assert sorted(str(record["picked_by"] or record["combo"]) for record in records()) == [*map(str, range(10)), "l1"]


def test_sweep_over_wirings_and_ratios_makes_a_study_of_each(command):
    ratios = "pruning.ratio={conv1: 0.2},{conv3: 0.3}"
    code, *_ = command("-m", *QUICK, "logger=none", "pruning.wiring=correct,released_code", ratios, 'combo="0,1"')
    assert code == 0
    assert len({record["study"] for record in records()}) == 4 and len(records()) == 8


def test_ratio_on_the_command_line_replaces_that_of_a_file(command):
    Path("my_conf/mine").mkdir(parents=True)
    Path("my_conf/mine/conv1.yaml").write_text("# @package _global_\npruning:\n  ratio: {conv1: 0.2}\n")
    mine = ("-m", "--config-dir", "my_conf", *QUICK, "logger=none", "+mine=conv1")
    assert command(*mine)[0] == 0
    assert command(*mine, "pruning.ratio={conv2: 0.2},{conv3: 0.2}")[0] == 0
    assert {tuple(record["layers"]) for record in records()} == {("conv1",), ("conv2",), ("conv3",)}


def test_stage_pretrain_trains_only_the_dense_network(command):
    code, out, _ = command(*QUICK, "stage=pretrain", "pretrain.seed=1")
    assert code == 0 and not records()
    assert out.startswith("dense network: multirun/dense/lenet5_mini-digits-seed1-")
    assert Path(out.splitlines()[0].removeprefix("dense network: ")).is_file()


def test_pretrain_seed_and_recipe_decide_the_study(command):
    for extra in ((), ("pretrain.seed=1",), ("retrain.weight_decay=0",), ("seed=1",)):
        assert command(*QUICK, "logger=none", *extra)[0] == 0
    assert len({record["study_hash"] for record in records()}) == 4


def recipes() -> list[dict]:
    """The pre-training recipes of the dense networks that were trained."""
    return [torch.load(path, weights_only=True)["recipe"] for path in sorted(Path("multirun/dense").glob("*.pt"))]


def test_fewer_epochs_cut_the_schedule_off(command):
    code, _, err = command("stage=pretrain", "pretrain.epochs=2", "retrain.epochs=2", FEW)
    assert code == 0, err
    (recipe,) = recipes()  # of conf/pretrain/digits.yaml, "0: 2e-2, 40: 2e-3"
    assert (recipe["epochs"], [list(step) for step in recipe["schedule"]]) == (2, [[0, 2e-2]])


def test_fraction_of_pretraining_scales_its_schedule_and_makes_another_dense_network(command):
    for fraction in ("0.05", "0.1"):
        assert command("stage=pretrain", f"pretrain.fraction={fraction}", FEW)[0] == 0
    found = sorted((recipe["epochs"], [list(step) for step in recipe["schedule"]]) for recipe in recipes())
    # a twentieth and a tenth of 60 epochs with a step at 40
    assert found == [(3, [[0, 2e-2], [2, 2e-3]]), (6, [[0, 2e-2], [4, 2e-3]])]


def test_logger_launcher_and_paths_do_not_decide_the_study(command):
    assert command(*QUICK, "logger=none")[0] == 0
    assert command(*QUICK, "combo=1")[0] == 0
    elsewhere = ("trainer.accelerator=cpu", "data.root=elsewhere")
    assert command("-m", *QUICK, "logger=none", "combo=2", *elsewhere)[0] == 0
    # One worker of joblib runs in this process: the launcher is another one, and nothing else.
    joblib = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=1")
    assert command("-m", *QUICK, "logger=none", "combo=3", *joblib)[0] == 0
    assert [record["combo"] for record in records()] == [0, 1, 2, 3]
    assert len({record["study_hash"] for record in records()}) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["pruning.ratio={conv9: 0.5}"],
            "pruning.ratio must name prunable layers of the network; got 'conv9'",
        ),
        (["pruning.ratio={conv1: 1.5}"], "pruning.ratio of conv1 must lie strictly between 0 and 1; got 1.5"),
        (["pruning.ratio={conv1: 0}"], "pruning.ratio of conv1 must lie strictly between 0 and 1; got 0"),
        (["pruning.ratio={conv1: 1e-12}"], "1e-12 removes none"),
        (["pruning.ratio={conv1: 0.95}"], "0.95 removes all"),
        (["pruning.ratio={conv1: half}"], "got 'half'"),
        (["pruning.ratio={classifier: 0.5}"], "must not name the layer whose outputs are the classes; got classifier"),
        (["pruning.ratio=[conv1]"], "pruning.ratio must map layers to ratios"),
        (["combo=252"], "combo must lie in 0..251 (the space has 252 combinations); got 252"),
        (["-m", "combo=range(250,254)"], "combo must lie in 0..251 (the space has 252 combinations); got 252"),
        (["combo=-1"], "an index cannot be negative"),
        (['combo="9-3"'], "got '9-3': the range runs backwards"),
        (["combo=l3"], "did you mean l2?"),
        (["combo=1.5"], "combo must have the type of its default; got 1.5"),
        (["combo=0,1"], "combo must be a single value without -m; got 0,1"),
        (["repeat=-1"], "repeat must be an index"),
        (["retrain.fraction=0"], "retrain.fraction must lie in (0, 1]; got 0"),
        (["retrain.epochs=0"], "retrain.epochs must be at least 1; got 0"),
        (["retrain.epochs=ten"], "retrain.epochs must have the type of its default; got ten"),
        (["retrain.lr='5: 1e-2'"], "with ascending epochs from 0"),
        (["retrain.lr=fast"], "retrain.lr must be epoch: rate pairs such as \"0: 1e-2, 20: 1e-3\"; got 'fast'"),
        (["data=mnist", "data.root=nowhere"], "nowhere/MNIST/raw/train-images-idx3-ubyte is missing: set data.root"),
        (["paths.out=/proc/nothing"], "paths.out must be a folder that can be written; got /proc/nothing"),
        (["pretrain.checkpoint=nothing.pt"], "pretrain.checkpoint must be a file; got nothing.pt"),
        (["pruning.rato=0.5"], "there is no key 'pruning.rato': did you mean 'pruning.ratio'?"),
        (["modle=vgg19"], "there is no key 'modle': did you mean 'model'?"),
        (["model=lenet5_mni"], "got 'lenet5_mni': did you mean 'lenet5_mini'?"),
        (["data=minst"], "got 'minst': did you mean 'mnist'?"),
        (["hydra/launcher=jobli"], "hydra/launcher must be one of"),
        (["pruning.ratio={conv1: 0.5"], "arguments must be KEY=VALUE, quoted for the shell"),
        (["study=a/b"], "study must be letters, digits"),
        (["model.name=a/b"], "model.name must be letters, digits"),
        (["trainer.threads=0"], "trainer.threads must lie in [1, 1024]; got 0"),
        (["trainer.precision=64-true"], "trainer.precision must be one of 32-true, tf32, bf16-mixed, 16-mixed"),
        (["data.mean=[0.1,0.2]"], "data.mean and data.std must have a number for each channel (1)"),
        (["data.std=[0]"], "data.mean and data.std must have a number for each channel (1)"),
        (["logger.name=wanbd"], "logger.name must have the type of its default; got wanbd"),
        (["--config-name", "other"], "--config-name and --config-path must not be used"),
        (["trainer.accelerator=warp"], "trainer.accelerator must be one of auto, cpu"),
        (["-m", "combo=range(0)"], "combo must sweep over at least one value; got range(0)"),
        (["-m", "repeat=range(3,1)"], "repeat must sweep over at least one value; got range(3,1)"),
        (["-m", "seed=range(0)"], "seed must sweep over at least one value; got range(0)"),
        (["-m", "combo=range(0,9,0)"], "combo must sweep with a step that is not 0"),
        (["-m", "combo=interval(0,3)"], "combo must list the values it sweeps over"),
        (["-m", "combo=range(10000000000)"], "a sweep must have at most 1,000,000 jobs; got 1e+10"),
        (["-m", "combo=range(2000)", "repeat=range(2000)"], "a sweep must have at most 1,000,000 jobs; got 4e+06"),
        (['combo="0-9999"', 'repeat="0-9999"'], "combo and repeat must ask for at most 10,000,000 runs"),
        (["combo=range(3)"], "combo must be a single value without -m; got range(3): add -m"),
        (["combo={}"], "combo must be given a value; got {}"),
        (["combo=[1]"], "combo must have the type of its default; got [1]"),
        (["combo=null"], "combo must have the type of its default; got null"),
        (["combo=" + "9" * 5000], "numbers must have at most 4300 digits"),
        (["repeat=null"], "repeat must have the type of its default; got null"),
        (["repeat=1000000000"], "repeat must be below 1,000,000,000; got 1000000000"),
        (["-m", "repeat=0," + "9" * 300], "repeat must be below 1,000,000,000"),
        (["pruning.ratio=nan"], "pruning.ratio of conv1 must lie strictly between 0 and 1; got nan"),
        (["pretrain.fraction=nan"], "pretrain.fraction must lie in (0, 1]; got nan"),
        (["pretrain.fraction=2"], "pretrain.fraction must lie in (0, 1]; got 2"),
        (
            ["retrain.epochs=5", "retrain.lr='0: 1e-2, 9: 1e-3'"],
            "retrain.lr must change within the 5 epochs of retrain.epochs; got '0: 1e-2, 9: 1e-3': retrain.fraction",
        ),
        (["trainer.threads=1000000"], "trainer.threads must lie in [1, 1024]; got 1000000"),
        (["data.mean=[nan]"], "data.mean must hold finite numbers of the size of pixels"),
        (["data.mean=[inf]"], "data.mean must hold finite numbers of the size of pixels"),
        (["data.std=[inf]"], "data.std must hold finite numbers of the size of pixels"),
        (["data.std=[nan]"], "data.std must hold finite numbers of the size of pixels"),
        (["data.std=[1e-300]"], "data.std must hold finite numbers of the size of pixels"),
        (["data.augment.crop_padding=33"], "data.augment.crop_padding must lie in [0, 32], an image's side; got 33"),
        (["model=[a]"], "model must be one of lenet5_mini, lenet5_mini_d6"),
        (["model={}"], "vit_b_16; got {}"),
        (["model=null"], "vit_b_16; got null"),
        (["model=3"], "vit_b_16; got 3"),
        (["+model=vgg19"], "model must be chosen without a '+'"),
        (["-m", "model=glob(x*)"], "model must sweep over at least one value; got glob(x*)"),
        (["-m", "model=lenet5_mini,[vgg19]"], "vit_b_16; got ['vgg19']"),
        (["model.network={}"], "model.network must be given a value; got {}, which would change nothing"),
        (["model.network={width: 3}"], "model.network must have keys that it has already"),
        (["+combo=3"], "combo must be given without a '+'"),
        (["seed=${nothing}"], "interpolations must refer to keys that there are; got ${nothing}"),
        (["paths.out=''"], "paths.out must be a folder, its name in letters that can be printed; got ''"),
        (["paths.cache=''"], "paths.cache must be a folder, its name in letters that can be printed; got ''"),
        (["paths.out=/tmp/\udce9"], "paths.out must be a folder, its name in letters that can be printed; got"),
        (["paths.cache=/proc/nothing"], "paths.cache must be a folder that can be written; got /proc/nothing"),
        (["data.root=/home/é,/b"], "letters beyond ASCII must stand in quotes"),
        (["study=" + "a" * 201], "study must have at most 200 letters; got 201"),
        (["model.name=" + "a" * 201], "model.name must have at most 200 letters; got 201"),
        (["hydra.searchpath=[file://x]"], "hydra.searchpath must be left as it is"),
        (["hydra.run.dir=/proc/nothing"], "hydra.run must be left as it is"),
        (["hydra.mode=MULTIRUN"], "hydra.mode must be left as it is; got hydra.mode=MULTIRUN: -m sweeps"),
        (["-m", "hydra.sweep.dir=/proc/nothing"], "hydra.sweep must be left as it is"),
        (["-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=0"], "hydra.launcher.n_jobs must be a number of"),
        (["-m", "hydra.sweeper.params={combo: 1}"], "hydra.sweeper must be left as it is"),
        (["=3"], "arguments must be KEY=VALUE; got '=3'"),
        (["-m", "workers=0"], "workers must be at least 1; got 0"),
        (["-m", "gpu_slots=0"], "gpu_slots must be at least 1; got 0"),
        (["-m", "workers=2", "hydra/launcher=basic"], "workers must be 1 with hydra/launcher=basic; got 2"),
        (
            ["-m", "combo=all", "pruning.ratio={conv1: 0.5, conv2: 0.5}"],
            "must be a set of indices, such as 0-999, where the space",
        ),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["-m", "--run"], "--run and --multirun must not be given together"),
        (["--experimental-rerun", "x"], "--experimental-rerun must not be used"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence_before_anything_runs(command, monkeypatch, arguments, sentence):
    monkeypatch.setattr("oraclecheck.sweep.Worker", lambda *_: pytest.fail("something was launched"))
    code, out, err = command(*arguments)
    assert code == 2 and not out
    assert err.startswith("oraclecheck: ") and err.count("\n") == 1 and sentence in err
    assert not Path("multirun/dense").exists()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("mine", "name: mine\nnetwork: [\n", "my_conf/model/mine.yaml, line 3 must be YAML; while parsing a flow"),
        ("mine", "name: mine\n\tratio: 0.5\n", "my_conf/model/mine.yaml, line 2 must be YAML"),
        ("mine", "- mine\n", "model/mine.yaml must fit the schema; "),
        ("mine", "'0'\n", "files of --config-dir must hold KEY: VALUE lines"),
        ("mine", "names: mine\n", "model/mine.yaml must hold keys that there are; got 'model.names': did you mean"),
        ("mine", "input_shape: 32\n", "model/mine.yaml must fit the schema at model.input_shape; Invalid value"),
        ("mine", "name: \x00\n", "files of --config-dir must be YAML; unacceptable character"),
        ("mine", b"name: \xe9\n", "my_conf/model/mine.yaml is not: "),
        ("lenet5_mini", "name: mine\n", "--config-dir must not hold files with the names of oraclecheck's own"),
    ],
)
def test_bad_configuration_file_is_one_sentence_with_its_place(command, name, content, sentence):
    path = Path(f"my_conf/model/{name}.yaml")
    path.parent.mkdir(parents=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    code, out, err = command("--config-dir", "my_conf", f"model={name}")
    assert code == 2 and not out
    assert err.startswith("oraclecheck: ") and err.count("\n") == 1 and sentence in err


def test_letters_beyond_ascii_are_read(command):
    where = ("-m", "paths.out=été", "data.root=/home/é", "--config-dir", "ñandú")  # options may come behind
    Path("ñandú/mine").mkdir(parents=True)
    Path("ñandú/mine/conv2.yaml").write_text("# @package _global_\npruning:\n  ratio: {conv2: 0.2}\n")
    code, _, err = command(*QUICK, "logger=none", "+mine=conv2", *where)
    assert code == 0, err
    assert len(records(Path("été"))) == 1


def test_cache_that_holds_the_data_need_not_be_writable(command, monkeypatch):
    assert command(*QUICK, "logger=none", "paths.cache=cache")[0] == 0
    monkeypatch.setattr(tempfile, "TemporaryFile", _refuse_in("cache"))
    code, _, err = command(*QUICK, "logger=none", "paths.cache=cache", "combo=1")
    assert code == 0, err


def _refuse_in(folder):
    made = tempfile.TemporaryFile

    def make(dir):
        if str(dir) == folder:
            raise PermissionError(13, "Permission denied")
        return made(dir=dir)

    return make


JOBLIB = pytest.param("a,b", ("hydra/launcher=joblib", "workers=2"), marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("choice", "launcher"), [("a,b", ()), pytest.param("glob([a,b])", (), marks=pytest.mark.slow), JOBLIB]
)
def test_experiments_that_are_swept_over_run_whole(command, choice, launcher):
    Path("my_conf/experiment").mkdir(parents=True)
    for name, ratio, combos in (("a", "{conv1: 0.2}", "range(3)"), ("b", "{conv2: 0.1}", "4\n      repeat: 0,1")):
        sweep = f"hydra:\n  sweeper:\n    params:\n      combo: {combos}\n"
        Path(f"my_conf/experiment/{name}.yaml").write_text(f"# @package _global_\npruning:\n  ratio: {ratio}\n{sweep}")
    sweep = ("-m", "--config-dir", "my_conf", f"experiment={choice}", *QUICK, "logger=none", *launcher)
    code, out, err = command(*sweep)
    assert code == 0, err
    found = {(*record["layers"], record["combo"], record["repeat"]) for record in records()}
    assert found == {
        *(("conv1", combo, 0) for combo in (0, 1, 2)),
        *(("conv2", 4, repeat) for repeat in (0, 1)),
    }
    assert "3 of 3 runs" in out and "2 of 2 runs" in out
    code, _, err = command(*sweep)
    assert code == 0 and "Nothing to do" in err


def test_studies_of_a_sweep_go_on_after_one_that_fails(command, monkeypatch):
    begin = experiment.open_study

    def fail_once(share, before):
        if "conv1" in share.request().setting.pruning.ratio:
            raise RuntimeError("out of luck")
        return begin(share, before)

    monkeypatch.setattr(experiment, "open_study", fail_once)
    code, _, err = command("-m", *QUICK, "logger=none", "combo=0,1", "pruning.ratio={conv1: 0.2},{conv2: 0.2}")
    assert code == 1 and "out of luck" in err and "2 of 4 runs are missing" in err
    assert {tuple(record["layers"]) for record in records()} == {("conv2",)} and len(records()) == 2


def test_checkpoint_of_another_architecture_is_refused(command):
    torch.save({"state_dict": LeNet5Mini(conv1_filters=20).state_dict()}, "w20.pt")
    code, _, err = command("pretrain.checkpoint=w20.pt")
    assert code == 2
    assert "conv1.weight has shape (20, 1, 5, 5) instead of (10, 1, 5, 5)" in err and err.count("\n") == 1


def test_checkpoint_that_would_run_code_is_refused(command):
    torch.save(LeNet5Mini(), "pickled.pt")
    code, _, err = command("pretrain.checkpoint=pickled.pt")
    assert code == 2 and "weights_only=True" in err and err.count("\n") == 1


def test_checkpoint_is_the_dense_network_of_its_study(command):
    torch.manual_seed(0)
    network = LeNet5Mini()
    torch.save(network.state_dict(), "mine.pt")
    assert command(*QUICK, "pretrain.checkpoint=mine.pt")[0] == 0
    (record,) = records()
    assert record["pretrain_seed"] is None and 0 < record["dense_test_accuracy"] < 0.3


def test_folder_of_other_settings_is_refused(command):
    command(*QUICK, "logger=none")
    study = next(Path("multirun").glob("lenet*/study.json"))
    content = json.loads(study.read_text())
    content["definition"]["retrain"]["epochs"] = 99
    study.write_text(json.dumps(content))
    code, _, err = command(*QUICK, "logger=none", "combo=1")
    assert code == 2 and "retrain.epochs is 99 instead of 2" in err and len(records()) == 1


def test_folder_of_a_newer_schema_is_refused(command):
    command(*QUICK, "logger=none")
    study = next(Path("multirun").glob("lenet*/study.json"))
    content = json.loads(study.read_text())
    study.write_text(json.dumps({**content, "identity": {**content["identity"], "schema": 4}}))
    code, _, err = command(*QUICK, "logger=none", "combo=1")
    assert code == 2 and "has schema 4, this one writes 3: upgrade" in err


def test_record_of_another_study_is_never_overwritten(command):
    command(*QUICK, "logger=none")
    path = next(Path("multirun").glob("*/0/0/record.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), "study_hash": "f" * 64}))
    code, _, err = command(*QUICK, "logger=none")
    assert code == 2 and "belongs to study ffffffff" in err and json.loads(path.read_text())["study_hash"] == "f" * 64


def test_traceback_is_shown_on_request_only(command, monkeypatch):
    assert "Traceback" not in command("combo=252")[2]
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    assert "Traceback" in command("combo=252")[2]


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"], ["--version"]])
def test_commands_that_only_show_need_no_torch(arguments, tmp_path):
    code = f"import sys; from oraclecheck.cli import main; main({arguments}); sys.exit('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout and not list(tmp_path.iterdir())
