"""The example of an own network in examples/own_network, as the README shows it."""

from pathlib import Path

import pandas as pd
import torch
from quick import write_images

from oraclecheck.pruning.structured import prune
from oraclecheck.report.command import main as report

EXAMPLE = Path(__file__).parent.parent / "examples" / "own_network"


def test_example_runs_from_a_folder_of_images_to_a_report(command, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(EXAMPLE)
    images = write_images(tmp_path / "images")
    code, _, err = command(
        "-m",
        "--config-dir",
        str(EXAMPLE / "conf"),
        "model=forknet",
        f"data.train={images / 'train'}",
        f"data.test={images / 'test'}",
        "combo=range(3)",
        "repeat=0,1",
        "pretrain.epochs=2",
        "pretrain.lr='0: 1e-2'",
        "retrain.epochs=1",
        "retrain.lr='0: 1e-2'",
        "logger=none",
        "workers=1",
    )
    assert code == 0, err
    (study,) = Path("multirun").glob("forknet-imagefolder-*")
    assert report([str(study)]) == 0
    runs = pd.read_csv(study / "report" / "table.csv")
    assert runs["n"].unique() == [3] and runs["k"].unique() == [2]


def test_example_network_pruned_is_the_masked_dense_network(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLE)
    from forknet import ForkNet

    torch.manual_seed(0)
    dense = ForkNet(classes=5, width=8).double().eval()
    removed = {"1.conv1": [0, 3], "2.left": [1, 2, 7], "2.right": [4], "5.right": [0, 5]}
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    pruned = prune(dense, removed, images[:2])

    masked = ForkNet(classes=5, width=8).double().eval()
    masked.load_state_dict(dense.state_dict())
    with torch.no_grad():
        # What comes out of a removed filter is not used: its weights in the next layer are zero.
        masked[1].conv2.weight[:, [0, 3]] = 0
        masked[2].mix.weight[:, [1, 2, 7, 8 + 4]] = 0
        masked[5].mix.weight[:, [8 + 0, 8 + 5]] = 0
        assert pruned[2].mix.weight.shape[1] == 16 - 4
        torch.testing.assert_close(pruned(images), masked(images), rtol=0, atol=1e-9)
