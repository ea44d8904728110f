"""Workers on a Ray cluster of two nodes, both of them processes of this machine, of which one dies."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from quick import QUICK

from oraclecheck.leases import holder
from oraclecheck.records.store import RECORD, read_record

ray = pytest.importorskip("ray", reason="hydra/launcher=ray needs pip install 'oraclecheck[ray]'")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RUNS = 12
LONGER = ("retrain.epochs=30", "retrain.lr='0: 1e-2'")  # so that both nodes are at work, and a signal comes amid a run
SWEEP = ("-m", *QUICK, *LONGER, "logger=none", f"combo=range({RUNS})", "workers=2", "hydra/launcher=ray")
ENVIRONMENT = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}


@pytest.fixture(autouse=True)
def files_of_ray(monkeypatch) -> Iterator[None]:
    """A folder for Ray's files, with a name short enough for sockets: the default one says which cluster is there."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        monkeypatch.setitem(ENVIRONMENT, "RAY_TMPDIR", folder)
        yield


class Node:
    """A node of a cluster, with room for one worker."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        call = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1", *arguments]
        self.said = folder / f"node{len(list(folder.glob('node*')))}"
        with self.said.open("w") as file:
            self.process = subprocess.Popen(call, env=ENVIRONMENT, cwd=folder, stdout=file, stderr=file)
        while "Ray runtime started" not in self.said.read_text():
            assert self.process.poll() is None, self.said.read_text()
            time.sleep(0.2)

    def processes(self) -> list[int]:
        """What it has started."""
        listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True)
        rows = [line.split(None, 2) for line in listed.stdout.splitlines()[1:]]
        children: dict[int, list[int]] = {}
        for pid, parent, _ in rows:
            children.setdefault(int(parent), []).append(int(pid))
        found, todo = [], [self.process.pid]
        while todo:
            todo.extend(mine := children.get(todo.pop(), []))
            found.extend(mine)
        return found

    def kill(self) -> None:
        """End every process of it, as the failure of a machine does."""
        for pid in [*self.processes(), self.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()


@pytest.fixture
def cluster(tmp_path) -> Iterator[tuple[str, list[Node]]]:
    """The address of a cluster, its head and its second node."""
    address = f"127.0.0.1:{20000 + os.getpid() % 20000}"
    port = address.partition(":")[2]
    nodes = [Node(tmp_path, "--head", "--node-ip-address=127.0.0.1", f"--port={port}", "--include-dashboard=false")]
    try:
        nodes.append(Node(tmp_path, "--node-ip-address=127.0.0.1", f"--address={address}"))
        yield address, nodes
    finally:
        for node in reversed(nodes):
            node.kill()


def start(*arguments: str) -> subprocess.Popen:
    """A command line in a process."""
    call = [sys.executable, "-m", "oraclecheck", *SWEEP, *arguments]
    return subprocess.Popen(call, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def records(out: Path) -> dict[Path, int]:
    """When each record was written, in ns."""
    return {path: path.stat().st_mtime_ns for path in out.glob("lenet*/*/*/record.json")}


def at_work(process: subprocess.Popen, out: Path) -> tuple[dict[Path, int], set[int]]:
    """The records, and who is at work, once there are some of the first and two of the second."""
    while True:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
        before = records(out)
        claims = [claim for claim in out.glob("lenet*/*/*/.claim") if claim.with_name(RECORD) not in before]
        found = {held[1] for claim in claims if (held := holder(claim))}
        if len(before) >= 2 and len(found) == 2:
            return before, found


def assert_complete(process: subprocess.Popen, out: Path, before: dict[Path, int]) -> None:
    said, complaint = process.communicate()
    assert process.returncode == 0 and f"{RUNS} of {RUNS} runs have records" in said, complaint
    after = records(out)
    assert len(after) == RUNS and {read_record(path).status for path in after} == {"ok"}
    assert before.items() <= after.items()  # nothing that was done is done again
    assert not list(out.rglob(".claim")) and not list(out.rglob("*.tmp"))


def test_killed_worker_costs_the_run_in_hand(cluster, tmp_path):
    address, nodes = cluster
    process = start(f"hydra.launcher.ray.init.address='{address}'")
    before, workers = at_work(process, tmp_path / "multirun")
    assert all(len(workers & set(node.processes())) == 1 for node in nodes)  # each node has one
    os.kill(min(workers), signal.SIGKILL)
    assert_complete(process, tmp_path / "multirun", before)


def test_killed_node_costs_the_run_in_hand(cluster, tmp_path):
    address, (_, second) = cluster
    process = start(f"hydra.launcher.ray.init.address='{address}'")
    before, _ = at_work(process, tmp_path / "multirun")
    second.kill()
    assert_complete(process, tmp_path / "multirun", before)


def test_workers_share_the_gpu_of_a_machine_alone(tmp_path):
    gpu = ("+hydra.launcher.ray.init.num_gpus=1", "hydra.launcher.ray.remote.num_gpus=0.5", "trainer.accelerator=cpu")
    process = start(*gpu, "+hydra.launcher.ray.init.num_cpus=2")
    before, workers = at_work(process, tmp_path / "multirun")
    assert len(workers) == 2  # half a GPU each
    assert_complete(process, tmp_path / "multirun", before)
