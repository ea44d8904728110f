"""Parameters and multiply-accumulates of every network, dense and pruned, as composed from the configuration."""

import csv

import pytest
import torch
from hydra import compose

from oraclecheck.command import schema as config
from oraclecheck.command.composition import initialised
from oraclecheck.command.interpret import interpret_setting
from oraclecheck.networks.shadow import parameters_and_macs, shadow_network
from oraclecheck.pipelines.one_shot import pruner
from oraclecheck.study.setting import Setting


def setting_of(*overrides: str) -> Setting:
    config.register()
    with initialised():
        return interpret_setting(compose("config", overrides=list(overrides)))


def sizes(setting: Setting) -> tuple[tuple[int, int], tuple[int, int]]:
    """Of the dense network and of a pruned one, on the meta device."""
    dense, space = shadow_network(setting.network.description), setting.pruning.space
    pruned = pruner(setting, dense)(dense, space.unrank(space.size // 2))
    return tuple(parameters_and_macs(network, setting.network.input_shape) for network in (dense, pruned))


def speed_up(*overrides: str) -> float:
    (_, dense), (_, pruned) = sizes(setting_of(*overrides))
    return round(dense / pruned, 2)


@pytest.mark.parametrize(
    ("overrides", "dense", "pruned"),
    [
        (["model=resnet56"], (853_018, 125_485_696), (428_074, 62_964_352)),
        (["model=vgg19"], (20_081_188, 398_182_400), (5_036_356, 100_000_768)),
        (["model=resnet18"], (11_689_512, 1_814_073_344), ("6.19M", "0.976G")),
        (["model=resnet34"], (21_797_672, 3_663_761_408), (None, None)),
        (["model=resnet50"], (25_557_032, 4_089_184_256), (None, None)),
        (["model=vit_b_16"], (86_567_656, 17_563_828_224), ("44.07M", "8.8G")),
    ],
)
def test_sizes_are_the_papers(overrides, dense, pruned):
    found = sizes(setting_of(*overrides))
    assert found[0] == dense
    for size, published in zip(found[1], pruned, strict=True):
        if isinstance(published, str):  # to the digits that were published
            unit = {"M": 1e6, "G": 1e9}[published[-1]]
            digits = len(published.partition(".")[2]) - 1
            assert f"{size / unit:.{digits}f}" == published[:-1]
        else:
            assert published is None or size == published


def published(data_root, table: str, column: str) -> dict[str, float]:
    """A column of one of Wang et al.'s tables, by pruning ratio."""
    with (data_root / "paper_tables" / f"confusing_table_{table}.csv").open() as file:
        return {row["pruning_ratio"]: float(row[column]) for row in csv.DictReader(file)}


def test_resnet34_speed_ups_are_the_second_papers(data_root):
    expected = published(data_root, "4_resnet34_imagenet100", "speedup")
    model = ("model=resnet34", "data.classes=100")
    assert len(expected) == 6
    assert {ratio: speed_up(*model, f"pruning.ratio={ratio}") for ratio in expected} == expected


def test_resnet56_speed_ups_are_the_second_papers(data_root):
    """Up to 0.7: at 0.9 they print 11.41, what one layer with one more filter would give."""
    expected = {ratio: published(data_root, "6_resnet56_cifar10", "speedup")[ratio] for ratio in ("0.3", "0.5", "0.7")}
    assert {ratio: speed_up("model=resnet56", f"pruning.ratio={ratio}") for ratio in expected} == expected


def test_vgg19_sparsities_are_the_second_papers(data_root):
    """Their rows for ratios 0.3 to 0.9 show what 0.1 to 0.7 give, without the first layer."""
    expected = published(data_root, "7_vgg19_cifar100", "sparsity_percent").values()
    found = []
    for ratio in (0.1, 0.3, 0.5, 0.7):
        rest = "|".join(f"features.conv{block}.*" for block in (2, 3, 4, 5))
        setting = setting_of("model=vgg19", f"pruning.ratio={{features.conv1_2: {ratio}, {rest}: {ratio}}}")
        assert len(setting.pruning.ratio) == 15
        (dense, _), (pruned, _) = sizes(setting)
        found.append(round(100 * (1 - pruned / dense), 2))
    assert found == list(expected)


@pytest.mark.parametrize(
    ("ratio", "published"),
    [
        ("{layer1.*|layer2.*|layer3.*: 0.6, layer4.*: 0.21}", 2.31),
        ("{layer1.*|layer2.*: 0.74, layer3.*: 0.6, layer4.*: 0.21}", 2.56),
    ],
)
def test_resnet50_speed_ups_are_the_second_papers(ratio, published):
    assert speed_up("model=resnet50", f"pruning.ratio={ratio}") == published


@pytest.mark.parametrize(
    ("overrides", "data", "classes", "shape", "layers", "pretrain", "retrain"),
    [
        ([], "digits", 10, (1, 32, 32), 1, (60, 32), (10, 32)),
        (["data=mnist"], "mnist", 10, (1, 32, 32), 1, (30, 256), (30, 256)),
        (["model=resnet56"], "cifar10", 10, (3, 32, 32), 27, (200, 128), (120, 256)),
        (["model=vgg19"], "cifar100", 100, (3, 32, 32), 16, (200, 256), (120, 256)),
        (["model=vgg19", "data=cifar10"], "cifar10", 10, (3, 32, 32), 16, (200, 256), (120, 256)),
        (["data=cifar10", "model=vgg19"], "cifar10", 10, (3, 32, 32), 16, (200, 256), (120, 256)),
        (["model=vgg19", "retrain=lenet"], "cifar100", 100, (3, 32, 32), 16, (200, 256), (30, 256)),
        (["model=resnet50_cifar"], "cifar100", 100, (3, 32, 32), 32, (200, 128), (120, 256)),
        (["model=resnet18"], "imagenet", 1000, (3, 224, 224), 8, (90, 256), (30, 256)),
        (["model=resnet34"], "imagenet", 1000, (3, 224, 224), 16, (90, 256), (90, 256)),
        (["model=resnet50"], "imagenet", 1000, (3, 224, 224), 32, (90, 256), (90, 256)),
        (["model=vit_b_16"], "imagenet", 1000, (3, 224, 224), 24, (90, 256), (300, 1024)),
    ],
)
def test_one_word_brings_a_setting(overrides, data, classes, shape, layers, pretrain, retrain):
    setting = setting_of(*overrides)
    assert (setting.data.name, setting.data.classes, setting.network.input_shape) == (data, classes, shape)
    assert len(setting.pruning.ratio) == layers and set(setting.pruning.ratio.values()) == {0.5}
    assert (setting.pretrain.recipe.epochs, setting.pretrain.recipe.batch_size) == pretrain
    assert (setting.retrain.recipe.epochs, setting.retrain.recipe.batch_size) == retrain
    image = torch.empty(1, *shape, device="meta")
    assert shadow_network(setting.network.description).eval()(image).shape == (1, classes)
