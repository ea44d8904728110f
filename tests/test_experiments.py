"""Every file of conf/experiment, and the list of them."""

import json
import re
from itertools import pairwise

import pytest
from quick import FEW, write_images

from oraclecheck.command import schema as config
from oraclecheck.command.composition import CONF, initialised
from oraclecheck.command.plan import plan
from oraclecheck.command.preflight import check
from oraclecheck.experiments import main

ALL_NAMES = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
ROWS = [name for name in ALL_NAMES if name.startswith(("confusing_", "twin_"))]
"""Tables whose rows are pipelines and recipes, each with studies of its own."""

LANGUAGE = ("tableA6_tinyllava",)
"""Of a model that has to be at hand: tests/multimodal runs it."""

NAMES = [name for name in ALL_NAMES if name not in (*ROWS, *LANGUAGE)]
RUN_ALWAYS = ("table2_conv2_0.3", "figure3_resnet56")  # running all takes minutes
TWINS = [name for name in NAMES if not name.startswith("unstructured")]
DEEP = ("tableA5_vit", "appendixB1_resnet50", "tableA3", "unstructured_resnet50")  # half a minute each to prove
NARROW = {"figure3_vgg19": 4, "figure3_resnet56": 4}  # filters of the first layer instead of 64 and 16

RECIPES = ("pretrain.epochs=1", "pretrain.lr='0: 1e-2'", "retrain.epochs=1", "retrain.lr='0: 1e-2'")
NO_FILES = {"runtime": {"config_sources": []}}
"""Hydra's own configuration of a command, as far as it is asked for."""

ROUND = "{ratio:0.1,epochs:1,lr:'0: 1e-2'}"
TINY = (*RECIPES, "logger=none", "workers=1")  # in this process


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """One folder for all experiments: those of one network share its dense network."""
    return tmp_path_factory.mktemp("multirun")


def tiny(name, images, out, *, narrow=False):
    """An experiment on data that are at hand, with one epoch of everything; where it can be, of a narrow network."""
    overrides = [f"experiment={name}", *TINY, f"paths.out={out}"]
    if narrow and name in NARROW:
        overrides += [f"+model.network.width={NARROW[name]}"]
    if name.startswith("unstructured_lenet"):
        return [*overrides, "data=digits", "engine=lightning"]  # compiling kernels takes seconds
    if name.startswith(("table2", "complexity", "figureA6_conv")):
        return [*overrides, "data=digits"]
    overrides += ["data=imagefolder", f"data.train={images / 'train'}", f"data.test={images / 'test'}"]
    if "vit" in name:
        overrides += ["+model.network.image_size=32"]
    if name.startswith("tableA3"):  # whose rounds have epochs of their own
        overrides += [f"pipeline.rounds=[{','.join(5 * [ROUND])}]"]
    return [*overrides, "model.weights=null", "model.input_shape=[3,32,32]"]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name.startswith(DEEP) else name for name in NAMES],
)
def test_experiment_composes_to_a_study_that_can_run(name, images, out):
    config.register()
    with initialised():
        (share,) = plan(tiny(name, images, out, narrow=True), NO_FILES)
        part = share.request()
        check(part)
    pruning = part.setting.pruning
    assert len(part.combinations) <= pruning.space.size  # what the sweep asks for is there
    assert pruning.wiring == "correct"


@pytest.mark.parametrize("name", RUN_ALWAYS)
@pytest.mark.parametrize("wiring", ["correct", "released_code"])
def test_experiment_and_its_twin_run_two_combinations(command, images, out, name, wiring):
    run_twin(command, tiny(name, images, out, narrow=True), f"pruning.wiring={wiring}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wiring", "name"),
    [
        (wiring, name)
        for wiring in ("correct", "released_code")
        for name in TWINS
        if (name not in RUN_ALWAYS or name in NARROW)
        and (wiring, name[:7]) != ("released_code", "tableA3")  # what is iterative is wired correctly
    ],
)
def test_experiment_and_its_twin_run_two_combinations_at_full_width(command, images, out, name, wiring):
    twin = "pruning.scheme=width" if "vit" in name and wiring == "released_code" else f"pruning.wiring={wiring}"
    run_twin(command, tiny(name, images, out), twin)


@pytest.mark.parametrize("name", ROWS)
def test_every_row_of_a_table_composes_to_studies_that_can_run(name, images, out):
    config.register()
    data = ["data=imagefolder", f"data.train={images / 'train'}", f"data.test={images / 'test'}"]
    is_lenet = name in ("twin_table4", "twin_table5", "twin_tableA3")
    data = ["data=digits"] if is_lenet else [*data, "model.input_shape=[3,32,32]"]
    with initialised():
        one = [f"paths.out={out}", "pruning.ratio=0.5", "pretrain.seed=0"]
        shares = plan([f"experiment={name}", *data, *one], NO_FILES)
        settings = [share.request().setting for share in shares]
    rows = {share.config.row for share in shares}
    assert rows == {*shares[0].config.rows}
    assert len({setting.label for setting in settings}) == len(rows)
    kinds = {setting.pipeline.name for setting in settings}
    assert kinds == {
        "confusing_table5": {"during"},
        "twin_table5": {"during"},
        "confusing_table4": {"scratch", "during"},
        "twin_table4": {"scratch", "during"},
        "twin_tableA3": {"iterative", "one_shot"},
    }.get(name, {"scratch", "one_shot"})


def test_rows_of_table_4_spend_what_their_names_say(images, out):
    """S4.2 and SX-A: as many epochs as scratch; SX-B: as many FLOPs, to half an epoch of the dense network."""
    config.register()
    with initialised():
        one = [f"paths.out={out}", "data=digits", "pretrain.seed=0"]
        shares = plan(["experiment=twin_table4", *one], NO_FILES)
        for share in shares:
            setting = share.request().setting
            taken, after = setting.pipeline.epoch or 0, setting.retrain.recipe.epochs
            if setting.pipeline.told:
                speedup = 448_700 / (225_700 if share.config.pruning.ratio == 0.5 else 47_300)
                assert abs(taken * speedup + after - 16) <= speedup / 2
            else:
                assert taken + after == 16


@pytest.mark.parametrize("name", ["confusing_table4", "confusing_table5", "twin_table4", "twin_table5"])
def test_rows_are_what_their_names_say_and_those_of_s42_go_on_where_the_dense_network_was(name, images, out):
    """P30F90_1e-2+60: taken after 30 epochs, 90 and 60 more from 1e-2."""
    config.register()
    is_twin = name.startswith("twin")
    data = ["data=digits"] if is_twin else ["data=imagefolder", f"data.train={images / 'train'}"]
    data += [] if is_twin else [f"data.test={images / 'test'}", "model.input_shape=[3,32,32]"]
    with initialised():
        one = [f"paths.out={out}", "pruning.ratio=0.9", "pretrain.seed=0"]
        settings = [share.request().setting for share in plan([f"experiment={name}", *data, *one], NO_FILES)]
    go_on = {}
    for setting in settings:
        row = re.fullmatch(r"(?:table|twin)[45]-P(\d+)(k?)F(\d+)_(1e-\d)(?:\+(\d+))?", setting.label)
        recipe, dense = setting.retrain.recipe, setting.pretrain.recipe
        if row is None:
            assert setting.label.endswith("-scratch") and recipe.schedule == dense.schedule
            continue
        taken, divided, after, rate, more = row.groups()
        assert recipe.epochs == int(after) + int(more or 0) and recipe.schedule[0] == (0, float(rate))
        if not divided:
            assert setting.pipeline.epoch == int(taken)
        assert setting.pipeline.epoch in (*setting.pretrain.keep, dense.epochs)
        if not divided and not more:
            go_on.setdefault(int(taken), []).append(dense.rate(int(taken)) == float(rate))
        without = [epoch - int(more or 0) * (place > 0) for place, (epoch, _) in enumerate(recipe.schedule)]
        longest = max(b - a for a, b in pairwise([*without, int(after)]))
        assert longest <= dense.epochs / 4 or len(without) == 1
    assert go_on and all(any(rates) for rates in go_on.values())


@pytest.mark.parametrize("name", ["confusing_table6", "confusing_table7"])
def test_rows_of_tables_6_and_7_have_their_rates(name, images, out):
    """120 epochs from the first rate, in steps or along a cosine to 1e-4; scratch 200 epochs in steps from 0.1."""
    config.register()
    data = ["data=imagefolder", f"data.train={images / 'train'}", f"data.test={images / 'test'}"]
    with initialised():
        one = [f"paths.out={out}", "pruning.ratio=0.9", "model.input_shape=[3,32,32]"]
        settings = [share.request().setting for share in plan([f"experiment={name}", *data, *one], NO_FILES)]
    recipes = {setting.label.partition("-")[2]: setting.retrain.recipe for setting in settings}
    scratch = recipes.pop("scratch")
    assert scratch.epochs == 200 and [scratch.rate(epoch) for epoch in (0, 99, 100, 149, 150, 199)] == pytest.approx(
        [1e-1, 1e-1, 1e-2, 1e-2, 1e-3, 1e-3]
    )
    assert len(recipes) == 4
    for row, recipe in recipes.items():
        kind, rate = row.split("_")
        assert recipe.epochs == 120 and recipe.rate(0) == pytest.approx(float(rate))
        middle = (float(rate) + 1e-4) / 2 if kind == "cosine" else float(rate) / 10
        assert recipe.rate(60) == pytest.approx(middle) and recipe.rate(119) < 1.1 * max(1e-4, float(rate) / 100)


def run_twin(command, experiment, twin):
    code, _, err = command("-m", *experiment, twin, "combo=0,1", "repeat=0")
    assert code == 0, err


def test_appendix_b1_prunes_both_convolutions_of_every_block_by_the_papers_recipe(images, out):
    config.register()
    with initialised():
        (share,) = plan(["experiment=appendixB1_resnet50", f"paths.out={out}"], NO_FILES)
    setting = share.request().setting
    layers = setting.pruning.space.layers
    assert [layer.name for layer in layers] == [
        f"layer{stage}.{block}.conv{conv}"
        for stage, blocks in zip((1, 2, 3, 4), (3, 4, 6, 3), strict=True)
        for block in range(blocks)
        for conv in (1, 2)
    ]
    assert all(2 * layer.removed == layer.filters for layer in layers)
    recipe = setting.retrain.recipe
    assert (recipe.epochs, recipe.batch_size, recipe.weight_decay) == (120, 256, 1e-4)


def test_list_says_what_each_experiment_costs(capsys):
    assert main() == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    assert "score multirun/resnet50_cifar-* criterion=l1,l2,taylor criterion.taylor.images=20000; then: " in out
    listed = {row[0]: row for row in rows if row and row[0] in ALL_NAMES}
    assert sorted(listed) == ALL_NAMES
    row = ["lenet5_mini", "mnist", "210", "x", "3", "=", "630", "x", "30", "=", "18,900"]  # Table A2: 30 epochs
    assert listed["table2_conv1_0.4"][1:12] == row
    assert listed["figureA6_conv1"][8:12] == ["x", "3", "=", "2,268"]  # 252 x 3 retrainings of a tenth of them
    # 12 rows of Table 4 at 6 ratios
    assert "".join(listed["confusing_table4"][3:]).startswith("72x1x3=216x30to120=15,930")
    assert listed["tableA3_LR1"][3:11] == ["160", "x", "1", "=", "160", "x", "120", "="]
    assert listed["figure3_resnet18"][1:8] == ["resnet18", "imagenet", "160", "x", "1", "=", "160"]


def test_ratio_of_the_command_line_counts_where_an_experiment_sweeps_over_ratios(command, out):
    sweep = ("experiment=twin_table4", "data=digits", FEW, "engine=lightning", "row=scratch", "pretrain.seed=0")
    quick = (f"paths.out={out / 'ratio'}", "logger=none", "workers=1", "repeat=0")
    code, _, err = command("-m", *sweep, "pruning.ratio=0.9", *quick)
    assert code == 0, err
    (record,) = out.glob("ratio/twin4-scratch-*/*/0/record.json")
    assert json.loads(record.read_text())["pruning_ratio"] == {"conv1": 0.9}
