"""Places: workers find their own GPUs, and a machine takes as many as it has cores or slots."""

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections import Counter

import pytest
import torch

from oraclecheck.command import places
from oraclecheck.command.places import MPS, check_launcher, cores, count_workers, gpus, is_elsewhere, take_gpus

FORK = multiprocessing.get_context("fork")
SECONDS = 30

BASIC = {"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"}
JOBLIB = {"_target_": "hydra_plugins.oraclecheck_workers.joblib_launcher.WorkersLauncher", "n_jobs": -1}
RAY = {"_target_": "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher"}
SLURM = {"_target_": "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"}


@pytest.fixture
def slots(tmp_path, monkeypatch):
    """Slots of this test alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(places, "SLOT_SECONDS", 0.05)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "before")


@pytest.fixture
def machine(monkeypatch):
    """A machine that has so many GPUs."""

    def has(cuda: int = 0, mps: int = 0, visible: str | None = None) -> None:
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.mps, "device_count", lambda: mps)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    return has


def _hold(devices, count, told, each) -> None:
    slots = take_gpus(devices, count, each)
    told.put((os.getpid(), os.environ["CUDA_VISIBLE_DEVICES"], torch.cuda.is_initialized()))
    time.sleep(SECONDS)
    del slots


def start(number, devices, count, told, each=1):
    workers = [FORK.Process(target=_hold, args=(devices, count, told, each), daemon=True) for _ in range(number)]
    for worker in workers:
        worker.start()
    return workers


def kill(workers) -> None:
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()


@pytest.mark.parametrize("devices", [["0", "2"], ["GPU-8a2f", "GPU-77c1"], ["MIG-GPU-8a2f/1/0", "MIG-GPU-8a2f/2/0"]])
def test_each_gpu_is_used_by_as_many_workers_as_it_has_slots(slots, devices):
    told = FORK.Queue()
    workers = start(5, devices, 2, told)  # one more than there are places
    found = [told.get(timeout=SECONDS) for _ in range(4)]
    assert Counter(device for _, device, _ in found) == dict.fromkeys(devices, 2)
    assert not any(initialized for *_, initialized in found)  # the device is named before torch looks for one
    time.sleep(0.3)
    assert told.empty()  # the fifth waits
    victim, freed, _ = found[2]
    os.kill(victim, signal.SIGKILL)
    pid, device, _ = told.get(timeout=SECONDS)
    assert device == freed and pid not in {pid for pid, *_ in found}
    kill(workers)


def test_second_sweep_begins_with_the_gpus_that_the_first_leaves_alone(slots):
    told = FORK.Queue()
    first = start(1, ["0", "1"], 2, told)
    taken = told.get(timeout=SECONDS)[1]
    second = start(1, ["0", "1"], 2, told)
    assert {taken, told.get(timeout=SECONDS)[1]} == {"0", "1"}
    kill(first + second)


def test_worker_may_take_several_gpus(slots):
    told = FORK.Queue()
    devices = ["0", "1", "2", "3", "4"]
    alone = take_gpus(devices, 1)
    pairs = start(2, devices, 1, told, each=2)
    assert told.get(timeout=SECONDS)[1] == "2,3"  # one of the first two is another's, and the fifth has no partner
    time.sleep(0.3)
    assert told.empty()
    other = FORK.Queue()  # whoever is killed may hold it
    left = start(1, devices, 1, other)
    assert other.get(timeout=SECONDS)[1] == "1"  # who waits for two holds neither
    kill(left)
    alone[0].release()
    assert told.get(timeout=SECONDS)[1] == "0,1"
    kill(pairs)


def test_jobs_of_slurm_have_devices_of_their_own(slots, monkeypatch):
    kept = []
    for job in ("17", "18"):  # each of them calls its only GPU 0
        monkeypatch.setenv("SLURM_JOB_ID", job)
        kept += take_gpus(["0"], 1)
    assert all(slot.is_locked for slot in kept)


def test_waiting_for_a_gpu_is_said_once(slots, capfd):
    (slot,) = take_gpus(["0"], 1)
    told = FORK.Queue()
    waiting = start(1, ["0"], 1, told)
    time.sleep(0.5)
    slot.release()
    assert told.get(timeout=SECONDS)[1] == "0"
    assert capfd.readouterr().err.count("waiting for a free slot") == 1
    kill(waiting)


def test_gpu_of_a_mac_is_a_place_too(slots):
    (slot,) = take_gpus([MPS], 1)
    assert slot.is_locked and os.environ["CUDA_VISIBLE_DEVICES"] == "before"


def test_machine_without_gpus_has_no_slots(slots, tmp_path):
    assert take_gpus([], 1) == [] and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("visible", "count", "expected"),
    [
        (None, 2, ["0", "1"]),
        (None, 0, []),
        ("", 0, []),
        ("3", 1, ["3"]),
        ("2, 0", 2, ["2", "0"]),
        ("0,-1,1", 1, ["0"]),  # CUDA sees what comes before the first that is none
        ("GPU-8a2f,GPU-77c1", 2, ["GPU-8a2f", "GPU-77c1"]),
        ("MIG-1,MIG-2,MIG-3", 1, ["MIG-1", "MIG-2", "MIG-3"]),  # CUDA sees one of them in each process
        ("NoDevFiles", 0, []),
    ],
)
def test_gpus_are_those_that_cuda_visible_devices_leaves(machine, visible, count, expected):
    machine(cuda=count, visible=visible)
    assert gpus("auto") == gpus("gpu") == gpus("cuda") == expected
    assert gpus("cpu") == gpus("mps") == []


def test_mac_has_one_gpu(machine):
    machine(mps=1)
    assert gpus("auto") == gpus("gpu") == gpus("mps") == [MPS] and gpus("cpu") == gpus("cuda") == []
    assert count_workers(None, 2, "auto", JOBLIB) == 2


def test_machine_takes_a_worker_a_core_or_a_slot(machine):
    machine()
    assert count_workers(None, 1, "auto", JOBLIB) == cores() >= 1
    assert count_workers(7, 1, "auto", JOBLIB) == 7
    assert count_workers(None, 1, "auto", {**JOBLIB, "n_jobs": 3}) == 3
    assert count_workers(None, 1, "auto", BASIC) == 1
    machine(cuda=4)
    assert count_workers(None, 3, "auto", JOBLIB) == 12
    assert count_workers(5, 3, "gpu", JOBLIB) == 5
    assert count_workers(None, 1, "auto", JOBLIB, 2) == 2
    assert count_workers(None, 1, "auto", JOBLIB, 3) == 1
    assert count_workers(None, 1, "cpu", JOBLIB) == cores()
    assert count_workers(6, 1, "gpu", SLURM) == count_workers(6, 1, "gpu", RAY) == 6


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes are bound to cores on Linux alone")
def test_cores_are_those_that_the_process_is_bound_to():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("asked", "slots_of_each", "launcher", "complaint"),
    [
        (0, 1, JOBLIB, "workers must be at least 1; got 0"),
        (2, 0, JOBLIB, "gpu_slots must be at least 1; got 0"),
        (9, 2, JOBLIB, "workers must be at most 8, gpu_slots=2 on each of 4 GPUs; got 9"),
        (2, 1, BASIC, "workers must be 1 with hydra/launcher=basic; got 2"),
        (None, 1, RAY, "workers must say how many are to be started there"),
        (None, 1, SLURM, "workers must say how many are to be started there"),
    ],
)
def test_places_that_there_are_not_are_refused(machine, asked, slots_of_each, launcher, complaint):
    machine(cuda=4)
    with pytest.raises(ValueError, match=complaint):
        count_workers(asked, slots_of_each, "auto", launcher)
    with pytest.raises(ValueError, match="workers must be at most 2, gpu_slots=1 on each of 4 GPUs, of which a worker"):
        count_workers(3, 1, "auto", JOBLIB, 2)


def test_clusters_are_elsewhere():
    assert [is_elsewhere(launcher) for launcher in (BASIC, JOBLIB, RAY, SLURM)] == [False, False, True, True]


@pytest.mark.parametrize(("launcher", "extra"), [(RAY, "ray"), (SLURM, "slurm")])
def test_absent_launcher_names_the_extra_to_install(monkeypatch, launcher, extra):
    monkeypatch.setitem(sys.modules, ".".join(launcher["_target_"].split(".")[:2]), None)
    with pytest.raises(ValueError, match=rf"got {extra}: pip install 'oraclecheck\[{extra}\]' brings it"):
        check_launcher(launcher)
    check_launcher(JOBLIB)
    check_launcher(BASIC)


@pytest.mark.parametrize(
    ("launcher", "keys", "given"),
    [
        (RAY, {}, "ray.remote.num_gpus must be at least trainer.devices, 4, for each worker .*; got 0"),
        (RAY, {"ray": {"remote": {"num_gpus": 0.5}}}, "ray.remote.num_gpus must be .*; got 0.5"),
        (SLURM, {"gpus_per_node": None, "gres": None}, "gpus_per_node must be at least .*; got 0"),
        (SLURM, {"gpus_per_node": 2}, "gpus_per_node must be at least .*; got 2"),
        (SLURM, {"gres": "gpu:h200:3"}, "gres must be at least .*; got 3"),
        (SLURM, {"gres": "gpu"}, "gres must be at least .*; got 1"),
        (SLURM, {"gres": "gpu:v100:1,lscratch:10"}, "gres must be at least .*; got 1"),
        (SLURM, {"gres": "lscratch:100", "gpus_per_task": 2}, "gpus_per_task must be at least .*; got 2"),
        (SLURM, {"gpus_per_node": "h200:3"}, "gpus_per_node must be at least .*; got 3"),
    ],
)
def test_workers_that_shard_need_as_many_gpus(monkeypatch, launcher, keys, given):
    monkeypatch.setattr(places, "find_spec", lambda name: True)
    monkeypatch.setattr(places.shutil, "which", lambda name: name)
    with pytest.raises(ValueError, match=rf"hydra\.launcher\.{given}"):
        check_launcher({**launcher, **keys}, 4, "auto")
    check_launcher({**launcher, **keys}, 4, "cpu")
    check_launcher({**launcher, **keys}, 1, "auto")
    check_launcher({**RAY, "ray": {"remote": {"num_gpus": 4}}}, 4, "gpu")
    for enough in (
        *({"gpus_per_node": 4}, {"gpus_per_node": "h200:4"}, {"gpus_per_task": 4}),
        *({"gres": named} for named in ("gpu:4", "lscratch:100,gpu:4", "gpu:4,nvme:1", "gpu:h200:4(S:0-1)")),
        {"additional_parameters": {"gpus": 4}},  # nobody can read all that sbatch does
    ):
        check_launcher({**SLURM, **enough}, 4, "gpu")
