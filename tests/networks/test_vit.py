"""The vision transformer against torchvision's, and its heads against slices zeroed before the output projection."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import vision_transformer

from oraclecheck.networks.attention import SelfAttention
from oraclecheck.networks.vit import VisionTransformer
from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.layers import filter_weights
from oraclecheck.pruning.proof import prove
from oraclecheck.pruning.structured import prune

SMALL = {"image_size": 16, "patch_size": 8, "num_layers": 2, "num_heads": 4, "hidden_dim": 24, "mlp_dim": 10}
EXAMPLE = torch.zeros(2, 3, 16, 16, dtype=torch.float64)
BLOCK = "encoder.layers.encoder_layer_{}"
REMOVED = {
    f"{BLOCK.format(0)}.self_attention": (1, 3),
    f"{BLOCK.format(0)}.mlp.0": (0, 4, 5, 9),
    f"{BLOCK.format(1)}.self_attention": (0,),
    f"{BLOCK.format(1)}.mlp.0": (2, 3),
}


def randomise(network: nn.Module) -> nn.Module:
    """Every parameter matters: torchvision starts the classifier and many biases at zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network.double()


def dense_network() -> VisionTransformer:
    network = randomise(VisionTransformer(**SMALL, classes=5))
    assert isinstance(network, VisionTransformer)
    return network


def images(seed: int = 0) -> Tensor:
    return torch.randn(4, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def zero(network: nn.Module, removed: dict[str, tuple[int, ...]]) -> nn.Module:
    """A copy in which the removed heads' slices, and hidden units, are zeroed before the layer they feed."""
    masked = copy.deepcopy(network)
    for name, indices in removed.items():
        attention = name.endswith("self_attention")
        width = 6 if attention else 1  # of a head: 24 / 4
        columns = [index * width + j for index in indices for j in range(width)]
        reader = masked.get_submodule(f"{name}.out_proj" if attention else name.replace("mlp.0", "mlp.3"))

        def clear(module: nn.Module, inputs: tuple[Tensor, ...], columns=columns) -> tuple[Tensor]:
            cleared = inputs[0].clone()
            cleared[..., columns] = 0
            return (cleared,)

        reader.register_forward_pre_hook(clear)
    return masked


def test_outputs_are_torchvisions_for_its_state_dict():
    theirs = randomise(vision_transformer.VisionTransformer(**SMALL, num_classes=5))
    ours = VisionTransformer(**SMALL, classes=5).double()
    ours.load_state_dict(theirs.state_dict())
    assert not any(isinstance(module, nn.MultiheadAttention) for module in ours.modules())
    for training in (True, False):
        theirs.train(training), ours.train(training)
        torch.testing.assert_close(ours(images()), theirs(images()), rtol=0, atol=1e-12)


def test_initialisation_is_torchvisions():
    networks = []
    for make, classes in ((VisionTransformer, "classes"), (vision_transformer.VisionTransformer, "num_classes")):
        torch.manual_seed(0)
        networks.append(make(**SMALL, **{classes: 5}))
    for (name, ours), theirs in zip(networks[0].named_parameters(), networks[1].parameters(), strict=True):
        assert ours.shape == theirs.shape
        if "in_proj" in name:  # another draw of the same distribution, uniform within Glorot's bound
            assert ours.abs().max() <= theirs.abs().max() * 1.05
            assert ours.std().item() == pytest.approx(theirs.std().item(), rel=0.1)


@pytest.mark.parametrize("removed", [{name: REMOVED[name]} for name in REMOVED] + [REMOVED])
def test_pruned_network_equals_zeroed_dense_network(removed):
    network = dense_network()
    pruned, masked = prune(network, removed, EXAMPLE), zero(network, removed)
    assert (masked(images()) - network(images())).abs().max() > 1e-3
    optimizers = [torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9) for net in (pruned, masked)]
    for step in range(3):
        logits = [net(images(step)) for net in (pruned, masked)]
        torch.testing.assert_close(*logits, rtol=0, atol=1e-9)
        for optimizer, outputs in zip(optimizers, logits, strict=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(outputs, torch.arange(4)).backward()
            optimizer.step()
    torch.testing.assert_close(pruned.eval()(images()), masked.eval()(images()), rtol=0, atol=1e-9)


def test_pruned_parameters_are_those_that_are_left():
    name = f"{BLOCK.format(0)}.self_attention"
    network = dense_network()
    attention = prune(network, {name: (1, 3)}, EXAMPLE).get_submodule(name)
    dense = network.get_submodule(name)
    assert isinstance(attention, SelfAttention) and isinstance(dense, SelfAttention)
    kept = [*range(6), *range(12, 18)]  # heads 0 and 2, six columns each
    rows = [part * 24 + i for part in range(3) for i in kept]
    assert torch.equal(attention.in_proj_weight, dense.in_proj_weight[rows])
    assert torch.equal(attention.in_proj_bias, dense.in_proj_bias[rows])
    assert torch.equal(attention.out_proj.weight, dense.out_proj.weight[:, kept])
    assert attention.heads == 2 and attention.out_proj.in_features == 12 and dense.heads == 4


@pytest.mark.parametrize("layer", ["conv_proj", f"{BLOCK.format(0)}.mlp.3"])
def test_layers_of_the_residual_stream_are_refused(layer):
    with pytest.raises(ValueError, match=rf"those of {layer} are coupled with those of"):
        prove(dense_network(), [LayerChoice(layer, 24, 1)], EXAMPLE.shape[1:])


def test_heads_and_hidden_units_of_all_blocks_are_proven():
    network = dense_network()
    layers = [LayerChoice(name, len(filter_weights(network, name)), len(gone)) for name, gone in REMOVED.items()]
    assert prove(network, layers, EXAMPLE.shape[1:]) == {}


def test_removed_heads_are_validated():
    with pytest.raises(ValueError, match=r"must lie in 0\.\.3; got 4"):
        prune(dense_network(), {f"{BLOCK.format(0)}.self_attention": (4,)}, EXAMPLE)
