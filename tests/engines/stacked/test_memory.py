"""How many networks fit, by what two of them took."""

from types import SimpleNamespace

import pytest
import torch

from oraclecheck.engines.stacked import memory

GB = 10**9


def fit(device: str) -> int:
    return memory.networks_that_fit(
        torch.nn.Identity(), SimpleNamespace(train=SimpleNamespace(device=torch.device(device)))
    )


@pytest.mark.parametrize(("taken", "expected"), [(4 * GB, 32), (100 * GB, 1), (0, memory.MOST), (10**6, memory.MOST)])
def test_networks_that_fit_take_four_fifths_of_what_is_free(monkeypatch, taken, expected):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (80 * GB, 96 * GB))
    monkeypatch.setattr(memory, "_free_beside_two", lambda network, task: 80 * GB - taken)
    assert fit("cuda") == expected


OUT_OF_MEMORY = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("GET was unable to find an engine to execute this computation"),
)


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=str)
def test_one_is_tried_where_two_do_not_fit(monkeypatch, error):
    def fail(network, task):
        raise error

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (80 * GB, 96 * GB))
    monkeypatch.setattr(memory, "_free_beside_two", fail)
    assert fit("cuda") == 1


def test_cpu_has_one():
    assert fit("cpu") == 1


def test_error_that_has_nothing_to_do_with_memory_is_none_of_its():
    assert not memory.is_out_of_memory(RuntimeError("CUDA error: operation not permitted when stream is capturing"))


def test_capture_that_memory_broke_off_is_known_by_what_broke_it():
    try:
        try:
            raise torch.OutOfMemoryError
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")
    except RuntimeError as error:
        assert memory.is_out_of_memory(error)
