"""Deep networks from the command line to their records, on a handful of small images."""

import json
import re
from pathlib import Path

import pytest
import torch
from quick import write_images
from torchvision.models import resnet18

from networks.test_sizes import setting_of
from oraclecheck.pipelines.checkpoint import Checkpoint
from oraclecheck.pipelines.dense import dense_checkpoint

VIT = """
name: tiny_vit
network:
  _target_: oraclecheck.networks.vit.VisionTransformer
  image_size: 16
  patch_size: 8
  num_layers: 2
  num_heads: 4
  hidden_dim: 24
  mlp_dim: 10
  classes: ${data.classes}
input_shape: [3, 16, 16]
prunable:
  - {layers: '.*self_attention', count: 2, type: SelfAttention}
  - {layers: '.*mlp\\.0', count: 2, type: Linear}
ratio: 0.5
"""
RESNET = """
name: tiny_resnet
network:
  _target_: oraclecheck.networks.resnet_cifar.ResNetCIFAR
  depth: 8
  width: 4
  classes: ${data.classes}
input_shape: [3, 16, 16]
prunable:
  - {layers: 'layer\\d\\.0\\.conv1', count: 3}
ratio: 0.5
"""


@pytest.fixture
def small_images(tmp_path):
    write_images(tmp_path / "images")
    (tmp_path / "my_conf" / "model").mkdir(parents=True)
    (tmp_path / "my_conf" / "model" / "tiny_vit.yaml").write_text(VIT)
    (tmp_path / "my_conf" / "model" / "tiny_resnet.yaml").write_text(RESNET)
    return (
        *("--config-dir", "my_conf", "data=imagefolder", "data.train=images/train", "data.test=images/test"),
        *("logger=none", "pretrain.epochs=1", "pretrain.lr='0: 1e-2'", "retrain.epochs=1", "retrain.lr='0: 1e-2'"),
    )


@pytest.mark.parametrize(
    ("arguments", "removed", "folder"),
    [
        (
            ["model=tiny_vit", 'combo="0,l1"'],
            {
                f"encoder.layers.encoder_layer_{i}.{name}": n
                for i in (0, 1)
                for name, n in (("self_attention", 2), ("mlp.0", 5))
            },
            "tiny_vit-imagefolder-4_layers_0.5-*",
        ),
        (
            ["model=tiny_vit", "pruning.scheme=width", 'combo="0,1"'],
            {"residual": 12, "ffn": 5},
            "tiny_vit-imagefolder-width-residual_0.5-ffn_0.5-*",
        ),
        (
            ["model=tiny_resnet", "pruning.wiring=released_code", 'combo="0,l1"'],
            {"layer1.0.conv1": 2, "layer2.0.conv1": 4, "layer3.0.conv1": 8},
            "tiny_resnet-imagefolder-layer1.0.conv1_0.5-layer2.0.conv1_0.5-layer3.0.conv1_0.5-released_code-*",
        ),
    ],
)
def test_network_runs_to_its_records(command, small_images, arguments, removed, folder):
    options = (
        "retrain.optimizer=adamw",
        "retrain.schedule=cosine",
        "retrain.gradient_clip=1",
        "retrain.label_smoothing=0.1",
    )
    code, _, err = command(*small_images, *options, *arguments)
    assert code == 0, err
    records = [json.loads(path.read_text()) for path in sorted(Path("multirun").glob(f"{folder}/*/0/record.json"))]
    assert len(records) == 2 and all(record["status"] == "ok" for record in records)
    for record in records:
        assert {layer: len(filters) for layer, filters in record["removed"].items()} == removed
        assert record["pruned_params"] < record["dense_params"] and record["pruned_macs"] < record["dense_macs"]


def test_torchvisions_weights_are_the_dense_network(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    state = resnet18().state_dict()
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(state, tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth")
    monkeypatch.setattr("oraclecheck.pipelines.training.fit", lambda *_: pytest.fail("nothing is to be trained"))
    setting = setting_of("model=resnet18")
    dense = dense_checkpoint(setting)
    assert setting.pretrain.loads and dense.hash == Checkpoint(state, []).hash
    few = setting_of("model=resnet18", "data.classes=5")
    with pytest.raises(
        ValueError, match=r"^pretrain\.weights must .* fc\.weight has shape \(1000, 512\) instead of \(5, 512\)"
    ):
        dense_checkpoint(few)
    assert not setting_of("model=resnet18", "pretrain.weights=null").pretrain.loads


def test_command_that_removes_many_filters_names_the_first_and_their_number(command, small_images):
    code, out, err = command(
        *small_images, "model=tiny_vit", "pruning.scheme=width", "combo=5", "pruning.ratio={residual: 0.5, ffn: 0.9}"
    )
    assert code == 0, err
    assert re.search(r"5 \(without residual [\d, ]+; ffn [\d, ]+ … \(21 filters in 2 layers\)\), repeat 0: pruned", out)
