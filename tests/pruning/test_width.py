"""Narrower vision transformers against torch-pruning, which the released code uses on torchvision's."""

import copy

import pytest
import torch
import torch_pruning as tp
from torchvision.models import vision_transformer

from networks.test_vit import EXAMPLE, SMALL, images, randomise
from oraclecheck.networks.vit import VisionTransformer
from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.width import prune_width, width_choices

REMOVED = {"residual": (0, 2, 3, 7, 11, 12, 13, 14, 19, 20, 21, 23), "ffn": (1, 4, 5, 8)}


def test_width_is_pruned_as_torch_pruning_does():
    theirs = randomise(vision_transformer.VisionTransformer(**SMALL, num_classes=5))
    ours = VisionTransformer(**SMALL, classes=5).double()
    ours.load_state_dict(theirs.state_dict())
    before = copy.deepcopy(ours.state_dict())
    pruned = prune_width(ours, REMOVED)
    graph = tp.DependencyGraph().build_dependency(theirs, (EXAMPLE,), verbose=False)
    graph.get_pruning_group(theirs.conv_proj, tp.prune_conv_out_channels, idxs=list(REMOVED["residual"])).prune()
    for block in theirs.encoder.layers:
        graph.get_pruning_group(block.mlp[0], tp.prune_linear_out_channels, idxs=list(REMOVED["ffn"])).prune()
    theirs.hidden_dim = 12
    for attention in [block.self_attention for block in theirs.encoder.layers]:
        assert (attention.embed_dim, attention.num_heads, attention.head_dim) == (12, 4, 3)
    assert pruned.state_dict().keys() == theirs.state_dict().keys()
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(pruned.state_dict()[name], tensor), name
    torch.testing.assert_close(pruned(images()), theirs(images()), rtol=0, atol=1e-12)
    assert all(torch.equal(tensor, before[name]) for name, tensor in ours.state_dict().items())


def test_pruned_network_can_be_trained():
    pruned = prune_width(randomise(VisionTransformer(**SMALL, classes=5)), REMOVED)
    pruned(images()).sum().backward()
    assert all(parameter.grad is not None for parameter in pruned.parameters())


def test_one_ratio_is_for_both_index_sets():
    ratios, choices = width_choices(VisionTransformer(**SMALL), 0.5)
    assert ratios == {"residual": 0.5, "ffn": 0.5}
    assert choices == (LayerChoice("residual", 24, 12), LayerChoice("ffn", 10, 5))


@pytest.mark.parametrize(
    ("network", "ratio", "sentence"),
    [
        (torch.nn.Linear(1, 1), 0.5, "pruning.scheme must be heads for every network but vision transformers"),
        (
            VisionTransformer(**SMALL),
            {"residual": 0.5},
            "pruning.ratio must be one number, or {residual: 0.5, ffn: 0.5}",
        ),
        (VisionTransformer(**SMALL), 0.1, "must leave a multiple of the 4 heads; 0.1 leaves 21"),
        (VisionTransformer(**SMALL), {"residual": 0.5, "ffn": 1}, "pruning.ratio of ffn must lie strictly between"),
    ],
)
def test_what_cannot_be_narrowed_is_refused(network, ratio, sentence):
    with pytest.raises(ValueError) as error:
        width_choices(network, ratio)
    assert sentence in str(error.value)
