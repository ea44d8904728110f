"""That what a study prunes is pruned exactly: proven once, and the proof kept beside the dense networks."""

import time
from contextlib import nullcontext
from importlib.metadata import version

from filelock import FileLock

from oraclecheck.files import create_json, digest
from oraclecheck.networks.shadow import build, identity
from oraclecheck.pipelines.checkpoint import Checkpoint
from oraclecheck.pipelines.one_shot import behind
from oraclecheck.pruning import proof
from oraclecheck.pruning.probe import double_precision
from oraclecheck.pruning.specimen import specimen
from oraclecheck.study.setting import Setting
from oraclecheck.waiting import waiting

_proven: set[str] = set()
"""Definitions of what was proven in this process."""


def prove_pruning(setting: Setting, dense: Checkpoint | None = None) -> None:
    """Show that what a setting prunes is pruned exactly, if it prunes filters; a proof is kept and not made twice.

    Args:
        setting: The setting.
        dense: The dense network; none shows it for random weights, before there is one.

    Raises:
        ValueError: If it cannot be shown, or the network cannot be trained as it is.
    """
    if setting.pruning.scheme != "heads":
        return
    network, layers = setting.network, setting.pruning.layers
    definition = {
        "version": proof.VERSION,
        "versions": {package: version(package) for package in ("oraclecheck", "torch", "torch-pruning")},
        "network": identity(network.description),
        "input_shape": network.input_shape,
        "classes": setting.data.classes,
        "layers": [(layer.name, layer.filters, layer.removed) for layer in layers],
        "wiring": setting.pruning.wiring,
        "dense_hash": dense.hash if dense else None,
    }
    key = digest(definition)
    path = setting.paths.out / "dense" / f"proof-{key[:16]}.json"
    if key in _proven or path.is_file():
        return
    what = "proving the pruning of the dense network" if dense else "proving that these layers can be pruned"
    # the driver is alone; workers are many
    lock = FileLock(f"{path}.lock", poll_interval=1.0) if dense else nullcontext()
    with lock, waiting(f"{what}, once"), double_precision(setting.trainer.threads):
        if path.is_file():
            return
        start = time.perf_counter()
        if dense is None:
            tried = specimen(lambda: build(network.description), network.input_shape, setting.data.classes)
        else:
            tried = build(network.description)
            tried.load_state_dict(dense.state)
        partners = proof.prove(tried, layers, network.input_shape, behind=behind(setting, tried))
        create_json(path, {"definition": definition, "partners": partners, "seconds": time.perf_counter() - start})
    _proven.add(key)
