"""Networks compiled once for each structure in a process, whatever weights they get."""

import copy
from typing import Any

import torch
from torch import nn

from oraclecheck.engines.structure import structure

MOST = 2
"""Networks kept: a dense one, and the shape that all combinations of a study have."""

_twins: list[tuple[Any, nn.Module, Any]] = []
"""Structures, each with a network of it, and what computes it where it is compiled."""


def compiled_twin(network: nn.Module) -> tuple[nn.Module, Any]:
    """A copy of a network, and what it has to be told to be compiled: made where its structure is new.

    Torch compiles what it has not seen, which includes another network of the same shape; after a few it gives up. So a
    copy is kept and given other weights.

    Args:
        network: What is copied; it is not changed.
    """
    key = structure(network)
    known = next((each for each in _twins if each[0] == key), None)
    if known is None:
        twin = copy.deepcopy(network)
        twin.compile()
        known = key, twin, twin._compiled_call_impl
        _twins[:] = [*_twins[1 - MOST :], known]
    copy_state(network, known[1])
    known[1].zero_grad()
    switch(known[1], None)
    return known[1:]


def switch(twin: nn.Module, compiled: Any) -> None:
    """Have a twin compute by what was compiled for it, or by itself: by what is None."""
    twin._compiled_call_impl = compiled


@torch.no_grad()
def copy_state(source: nn.Module, target: nn.Module) -> None:
    """Give a network the parameters, buffers and modes of another of the same structure, wherever each is."""
    for theirs, ours in ((source.parameters(), target.parameters()), (source.buffers(), target.buffers())):
        for value, place in zip(theirs, ours, strict=True):
            place.copy_(value)
    for original, module in zip(source.modules(), target.modules(), strict=True):
        module.training = original.training
