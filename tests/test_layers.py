"""The command that lists a network's layers, and proofs as a command line meets them."""

import json
from pathlib import Path

import pytest
from quick import QUICK

from oraclecheck import layers
from oraclecheck.cli import main
from oraclecheck.pipelines import proof

GLU = """
from torch import nn, sigmoid


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(1024, 16), nn.Linear(8, 10)

    def forward(self, x):
        value, gate = self.first(x.flatten(1)).chunk(2, dim=1)
        return self.last(value * sigmoid(gate))
"""


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    """A configuration of networks that live in tests/pruning."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "support"))
    folder = tmp_path / "conf" / "model"
    folder.mkdir(parents=True)

    def write(name: str, target: str, ratio: str) -> None:
        text = f"name: {name}\nnetwork:\n  _target_: {target}\ninput_shape: [1, 8, 8]\nratio: {ratio}\n"
        (folder / f"{name}.yaml").write_text(text)

    write("gated", "strange_networks.Gated", "{value: 0.5}")
    write("glu", "strange_networks.GLU", "{first: 0.5}")
    return folder.parent


def test_layers_are_listed_with_what_becomes_of_them(mine, capsys):
    assert layers.main(["--config-dir", str(mine), "model=gated", "data.classes=3"]) == 0
    rows = [line.strip().split(maxsplit=3) for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows[1:4]] == ["gate", "value", "last"]
    assert rows[1][2:] == ["8", "prunable, with value"] and rows[2][2:] == ["8", "goes with gate"]
    assert rows[3][3].startswith("refused:") and "outputs are the classes" in rows[3][3]


def test_a_mistyped_model_is_one_sentence(capsys):
    assert layers.main(["model=lenet"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("oraclecheck: model must be one of") and not captured.out


def test_what_cannot_be_proven_is_refused_before_anything_is_trained(mine, capsys, tmp_path, monkeypatch):
    (tmp_path / "glu_net.py").write_text(GLU)
    monkeypatch.syspath_prepend(str(tmp_path))
    where = ("model.network._target_=glu_net.Net", "model.input_shape=[1,32,32]", "paths.out=out")
    assert main(["-m", "--config-dir", str(mine), "model=glu", *where, "combo=0,1"]) == 2
    error = capsys.readouterr().err
    assert "of first's 16 filters 8 were to go and 16 would (a)" in error and error.count("\n") == 1
    assert not Path("out/dense").exists()


def test_a_proof_is_made_for_random_weights_and_for_the_dense_network_and_kept(monkeypatch):
    monkeypatch.setattr(proof, "_proven", set())  # what other tests of this process have proven
    assert main([*QUICK, "logger=none"]) == 0
    proofs = [json.loads(path.read_text()) for path in Path("multirun/dense").glob("proof-*.json")]
    hashes = sorted(proof["definition"]["dense_hash"] or "" for proof in proofs)
    assert "" not in hashes[1:] and len(hashes[-1]) == 64
    record = json.loads(next(Path("multirun").glob("lenet*/0/0/record.json")).read_text())
    assert record["dense_hash"] == hashes[-1]
