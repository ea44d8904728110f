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


def test_one_is_tried_where_two_do_not_fit(monkeypatch):
    def fail(network, task):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (80 * GB, 96 * GB))
    monkeypatch.setattr(memory, "_free_beside_two", fail)
    assert fit("cuda") == 1


def test_cpu_has_one():
    assert fit("cpu") == 1
