"""What the proof accepts, what it refuses, and that it would notice every way in which pruning can be wrong."""

import copy

import pytest
import torch
from strange_networks import (
    CLASSES,
    GLU,
    SHAPE,
    Apply,
    AttentionBehind,
    BatchSecond,
    Branches,
    Captured,
    Chain,
    ClosedSum,
    ConstantSum,
    FixedDropout,
    FusedAttention,
    Gated,
    Hidden,
    Logarithm,
    Maps,
    Masked,
    OneDimensional,
    Shared,
    Tied,
    Tokens,
    Tuple,
    Untraceable,
    Views,
    channels_last_norm,
    head,
    inverted_residual,
    maxout,
    shuffle,
    squeeze_excitation,
)
from torch import Tensor, nn
from torch.nn.functional import conv2d, group_norm, layer_norm, linear, relu
from torch.nn.utils.parametrizations import weight_norm

from oraclecheck.pruning import dependency, examination
from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.flaw import UnprovenError
from oraclecheck.pruning.layers import filter_weights
from oraclecheck.pruning.probe import double_precision
from oraclecheck.pruning.proof import prove
from oraclecheck.pruning.reference import observe
from oraclecheck.pruning.specimen import specimen
from oraclecheck.pruning.structured import prune

EXACT = "must name layers whose filters can be taken out exactly"
ALONE = "must name layers that can lose filters alone"
APART = "must name layers whose filters stay apart until weights mix them"
CHOSEN = "must name layers of which exactly the chosen filters go"
GROUPED = "must not take channels from grouped convolutions"
RAISES = "must name layers that the network's forward lets lose filters"


def proven(make, removed: dict[str, int], *, released: bool = False) -> dict[str, tuple[str, ...]]:
    """What `prove` says of so many filters of these layers, with the layers behind them losing others or the same."""
    with double_precision():
        network = specimen(make, SHAPE, CLASSES)
        layers = [LayerChoice(name, len(filter_weights(network, name)), n) for name, n in removed.items()]
        behind = {layer.name: tuple(range(1, layer.filters, 2))[: layer.removed] for layer in layers}
        return prove(network, layers, SHAPE, behind=behind if released else None)


def flattened(order: tuple[int, ...]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), Apply(lambda x: x.permute(order).flatten(1)), nn.Linear(144, CLASSES)
    )


@pytest.mark.parametrize(
    ("make", "removed", "partners"),
    [
        *((lambda n=n: Tokens(n, nn.LayerNorm(n), nn.GELU()), {"first": n // 2}, {}) for n in (64, 144, 576)),
        (lambda: Chain(144, channels_last_norm(144)), {"first": 70}, {}),
        (lambda: Tokens(64, nn.RMSNorm(64)), {"first": 30}, {}),
        (lambda: Chain(8, nn.GroupNorm(1, 8), nn.ReLU()), {"first": 3}, {}),
        (lambda: Chain(8, nn.GroupNorm(8, 8), nn.ReLU()), {"first": 3}, {}),
        (lambda: Chain(8, nn.InstanceNorm2d(8, affine=True, track_running_stats=True)), {"first": 3}, {}),
        (lambda: Chain(8, nn.BatchNorm2d(8), nn.PReLU(8)), {"first": 3}, {}),
        (Branches, {"left": 2, "right": 3}, {}),
        (lambda: flattened((0, 1, 2, 3)), {"0": 2}, {}),
        (lambda: inverted_residual(8), {"first": 3}, {"first": ("between.2",)}),
        (lambda: squeeze_excitation(8), {"first": 3}, {"first": ("between.2", "between.5.fc2")}),
        (Gated, {"value": 3}, {"value": ("gate",)}),
    ],
)
@pytest.mark.parametrize("released", [False, True])
def test_exact_pruning_is_proven_with_what_goes_along(make, removed, partners, released):
    assert proven(make, removed, released=released) == partners


@pytest.mark.parametrize(
    ("make", "removed", "layer", "sentence"),
    [
        (lambda: Chain(8, nn.Conv2d(8, 8, 1, groups=2)), {"between.0": 2}, "between.0", GROUPED),
        (lambda: Chain(8, nn.ReLU(), nn.Conv2d(8, 8, 1, groups=4)), {"first": 4}, "first", GROUPED),
        (lambda: Chain(8, nn.Conv2d(8, 16, 1, groups=8), out=16), {"first": 3}, "first", GROUPED),
        (lambda: Chain(8, nn.GroupNorm(2, 8)), {"first": 4}, "between.0", "before a GroupNorm of several groups"),
        (lambda: Tokens(16, Apply(lambda x: x.unflatten(2, (2, 8))), nn.LayerNorm((2, 8)), nn.Flatten(2)), {"first": 4},
         "between.1", "normalises together with positions"),
        (GLU, {"first": 2}, "first", CHOSEN + "; of first's 16 filters 2 were to go and 4 would (a)"),
        (FusedAttention, {"qkv": 4}, "qkv", APART),
        (Gated, {"gate": 3, "value": 3}, "gate", CHOSEN),
        (
            lambda: Tied(nn.Conv2d(1, 6, 3, padding=1), nn.ConvTranspose2d(1, 6, 3, padding=1), head(6)),
            {"first": 2},
            "first",
            ALONE + "; those of first are coupled with those of other (b)",
        ),
        (OneDimensional, {"first": 2}, "first", "coupled with those of other (b)"),
        (AttentionBehind, {"first": 2}, "first", "coupled with those of attention, attention.out_proj (b)"),
        (lambda: Chain(8, Apply(shuffle)), {"first": 3}, "first", RAISES),
        (lambda: Chain(8, Apply(shuffle)), {"first": 4}, "first", EXACT),
        (lambda: flattened((0, 2, 3, 1)), {"0": 2}, "0", EXACT),
        (lambda: Chain(8, Apply(lambda x: x.flip(1))), {"first": 3}, "first", EXACT),
        (lambda: Chain(8, Apply(lambda x: x.roll(1, 1))), {"first": 3}, "first", EXACT),
        (lambda: Chain(8, Apply(maxout), out=4), {"first": 4}, "first", APART),
        (lambda: Chain(8, nn.LocalResponseNorm(3)), {"first": 3}, "first", APART),
        (Maps, {"left": 2, "right": 2}, "left", EXACT),
        (Views, {"first": 1, "second": 2}, "second", RAISES),
        (Views, {"classifier": 1}, "classifier", "must not name the layer whose outputs are the classes"),
        (Untraceable, {"first": 2}, "first", "must name layers that torch-pruning can trace"),
        (ConstantSum, {"first": 2}, "first", "coupled with those of position (b)"),
        (Logarithm, {"first": 2}, "first", "coupled with those of other (b)"),
        (Masked, {"first": 2}, "first", EXACT),
        (Captured, {"first": 2}, "classifier", "would not be trained as in the dense network"),
        (Shared, {"first": 2}, "two.weight and one.weight", "would be trained apart (d)"),
        (FixedDropout, {"first": 2}, "first", "in training it raises RuntimeError"),
        (BatchSecond, {"first": 2}, "first", "must name layers whose outputs have the batch as their first dimension"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 8), Apply(lambda x: x @ torch.ones(8, 3))),
            {"1": 2},
            "1",
            "without being seen by one, as where a matrix product applies weights (c)",
        ),
    ],
)  # fmt: skip
def test_inexact_pruning_is_refused_by_name(make, removed, layer, sentence):
    with pytest.raises(ValueError) as error:
        proven(make, removed)
    assert layer in str(error.value) and sentence in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Hidden(buffer=True), "must keep all that is random in it in its state dict"),
        (lambda: Hidden(buffer=False), "must keep all that is random in it in its state dict"),
        (Tuple, "must give a tensor of logits in training; it gives a tuple"),
        (lambda: nn.Sequential(nn.Flatten(), weight_norm(nn.Linear(64, 3))), "must not compute weights from others"),
        (lambda: nn.Linear(4, 3), "must take an image of shape [1, 8, 8]; it raises"),
        (lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), "must know all its sizes when it is made; 1 is lazy"),
        (
            lambda: nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False), nn.Flatten(), nn.Linear(64, 3)),
            "must normalise by running statistics when it is measured; 0 has none",
        ),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 5)), "data.classes=3 logits; its output has shape [5]"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 3), Apply(lambda x: x + torch.randn_like(x))),
            "must give the same logits for the same images",
        ),
    ],
)
def test_networks_that_cannot_be_studied_are_refused_before_training(make, sentence):
    with pytest.raises(ValueError) as error, double_precision():
        specimen(make, SHAPE, CLASSES)
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_indices_that_multiply_are_refused_before_memory_is_full(monkeypatch):
    monkeypatch.setattr(dependency, "MOST_INDICES", 71)  # a flattened map of 6x6 has 72 of two filters
    with pytest.raises(ValueError, match="more than 71 indices of one layer hang on its filters"):
        proven(lambda: flattened((0, 1, 2, 3)), {"0": 2})
    monkeypatch.setattr(dependency, "MOST_INDICES", 72)
    assert proven(lambda: flattened((0, 1, 2, 3)), {"0": 2}) == {}


def test_channels_that_training_has_closed_are_proven():
    """A BatchNorm's scale may be 0 and its shift not: a constant then, which goes with its filter."""
    network = double(lambda: Chain(8, nn.BatchNorm2d(8), nn.ReLU()))
    network.between[0].weight.data[:5] = 0
    network.between[0].bias.data[:5] = 0.3
    assert prove(network, [LayerChoice("first", 8, 3)], SHAPE) == {}


@pytest.mark.parametrize("seed", range(20))
def test_a_sum_is_refused_whatever_the_weights(seed):
    with double_precision():
        torch.manual_seed(seed)
        network = ClosedSum()
    with pytest.raises(UnprovenError, match="coupled with those of other"):
        prove(network, [LayerChoice("first", 4, 1)], SHAPE)


def test_frozen_weights_behind_a_pruned_layer_stay_frozen():
    network = Chain(8, nn.BatchNorm2d(8))
    network.head[0].weight.requires_grad_(False)
    network.between[0].bias.requires_grad_(False)
    trained = {name: parameter.requires_grad for name, parameter in network.named_parameters()}
    pruned = prune(network, {"first": (0, 5)}, torch.zeros(1, *SHAPE))
    assert {name: parameter.requires_grad for name, parameter in pruned.named_parameters()} == trained


def swap_inputs(pruned: Chain) -> None:
    weight = pruned.head[0].weight.data
    weight[:, [0, 1]] = weight[:, [1, 0]]


def swap_filters(pruned: Chain) -> None:
    for tensor in (pruned.first.weight.data, pruned.first.bias.data):
        tensor[[0, 1]] = tensor[[1, 0]]
    swap_inputs(pruned)


def shift_statistic(pruned: Chain) -> None:
    pruned.between[0].running_mean[0] += 1e-6


def thaw(pruned: Chain) -> None:
    pruned.first.bias.requires_grad_(False)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [(swap_inputs, "(c)"), (swap_filters, "(a)"), (shift_statistic, "(c)"), (thaw, "(d)")],
)
def test_the_proof_notices_a_pruner_that_errs(spoil, sentence, monkeypatch):
    def erring(network: nn.Module, removed, example: Tensor) -> nn.Module:
        pruned = prune(network, removed, example)
        spoil(pruned)
        return pruned

    monkeypatch.setattr(examination, "prune", erring)
    with pytest.raises(UnprovenError) as error:
        proven(lambda: Chain(8, nn.BatchNorm2d(8), nn.ReLU()), {"first": 3})
    assert sentence in str(error.value)


def double(make) -> nn.Module:
    torch.manual_seed(3)
    network = make().double().eval()
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network


IMAGES = torch.randn(3, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_the_reference_of_a_layer_norm_has_statistics_over_the_channels_that_are_kept():
    network, kept = double(lambda: Tokens(6, nn.LayerNorm(6), nn.GELU())), [0, 2, 5]
    norm, patches = network.between[0], IMAGES.unfold(2, 2, 2).unfold(3, 2, 2).reshape(3, 16, 4)
    x = linear(patches, network.first.weight[kept], network.first.bias[kept])
    x = nn.functional.gelu(layer_norm(x, (3,), norm.weight[kept], norm.bias[kept]))
    expected = network.classifier(linear(x, network.last.weight[:, kept], network.last.bias).mean(1))
    removed = {"first": (1, 3, 4)}
    torch.testing.assert_close(observe(network, removed, IMAGES).logits, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(prune(network, removed, IMAGES)(IMAGES), expected, rtol=0, atol=1e-12)


def test_a_group_norm_keeps_its_groups_and_normalises_what_each_has_left():
    network, kept = double(lambda: Chain(8, nn.GroupNorm(2, 8), nn.ReLU())), [0, 2, 5, 7]
    norm = network.between[0]
    x = conv2d(IMAGES, network.first.weight[kept], network.first.bias[kept])
    x = relu(group_norm(x, 2, norm.weight[kept], norm.bias[kept]))
    conv = network.head[0]
    expected = network.head[1:](conv2d(x, conv.weight[:, kept], conv.bias))
    removed = {"first": (1, 3, 4, 6)}
    torch.testing.assert_close(observe(network, removed, IMAGES).logits, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(prune(network, removed, IMAGES)(IMAGES), expected, rtol=0, atol=1e-12)


def test_the_reference_of_a_gated_block_is_the_block_with_zeroed_weights_behind():
    network, gone = double(lambda: squeeze_excitation(8)), [1, 6]
    masked = copy.deepcopy(network)
    masked.between[5].fc1.weight.data[:, gone] = 0
    masked.head[0].weight.data[:, gone] = 0
    seen = observe(network, {"first": tuple(gone)}, IMAGES)
    torch.testing.assert_close(seen.logits, masked(IMAGES), rtol=0, atol=1e-12)
    assert (seen.logits - network(IMAGES)).abs().max() > 1e-6


def test_a_proof_leaves_the_network_the_generator_and_the_precision_alone():
    network = Chain(8, nn.BatchNorm2d(8)).double()
    before, state = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    assert network.training
    prove(network, [LayerChoice("first", 8, 3)], SHAPE)
    with double_precision():
        specimen(lambda: Chain(8), SHAPE, CLASSES)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert network.training and all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), state) and torch.get_default_dtype() == torch.float32
