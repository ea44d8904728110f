"""The least numbers of several tensors, against all numbers side by side and NumPy's stable sort."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from oraclecheck.pruning.masks import selection
from oraclecheck.pruning.masks.selection import least

TYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)

shapes = st.lists(
    st.sampled_from([(1,), (7,), (3, 4), (2, 1, 3, 3), (0,)]), min_size=1, max_size=5
)  # sizes of 1 and of 0 among them
few = st.sampled_from([0.0, -0.0, 1e-40, 0.25, 0.5, 1.0, 3.0, float("inf")])  # ties, zeros and a subnormal number
many = st.floats(0, 1e4, allow_nan=False, width=32)


@st.composite
def tensors(draw):
    values, dtype = draw(st.sampled_from([few, many])), draw(st.sampled_from(TYPES))
    made = {}
    for number, shape in enumerate(draw(shapes)):
        n = int(np.prod(shape))
        made[f"layer{number}"] = torch.tensor(draw(st.lists(values, min_size=n, max_size=n)), dtype=dtype).view(shape)
    return made


def by_sorting(scores: dict[str, Tensor], count: int) -> dict[str, Tensor]:
    together = np.concatenate([score.abs().double().numpy().ravel() for score in scores.values()])
    taken = np.zeros(len(together), bool)
    taken[np.argsort(together, kind="stable")[:count]] = True
    parts = np.split(taken, np.cumsum([score.numel() for score in scores.values()])[:-1])
    return {name: torch.from_numpy(part).view(scores[name].shape) for name, part in zip(scores, parts, strict=True)}


@given(tensors(), st.floats(0, 1))
@settings(max_examples=150, deadline=None)
def test_least_is_what_sorting_all_numbers_together_gives(scores, share):
    count = round(share * sum(score.numel() for score in scores.values()))
    found, expected = least(scores, count), by_sorting(scores, count)
    assert list(found) == list(scores)
    assert all(torch.equal(found[name], expected[name]) for name in scores)


@pytest.mark.parametrize("dtype", TYPES)
def test_least_counts_in_parts_as_it_does_at_once(dtype, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    scores = {name: torch.rand(50, 41, generator=generator).to(dtype) for name in "abc"}
    monkeypatch.setattr(selection, "_PART", 97)
    found, expected = least(scores, 3000), by_sorting(scores, 3000)
    assert all(torch.equal(found[name], expected[name]) for name in scores)


def test_ties_are_broken_by_index_whatever_the_memory_layout():
    score = torch.ones(2, 3, 2, 2).to(memory_format=torch.channels_last)
    assert least({"layer": score}, 5)["layer"].flatten().tolist() == [True] * 5 + [False] * 19


def test_nan_comes_last_and_needs_no_place():
    score = torch.tensor([float("nan"), 2.0, float("inf"), -1.0])
    assert least({"layer": score}, 3)["layer"].tolist() == [False, True, True, True]


def test_numbers_of_several_types_or_too_few_of_them_are_refused():
    with pytest.raises(ValueError, match=r"one type; got torch\.bfloat16, torch\.float32"):
        least({"a": torch.ones(2), "b": torch.ones(2).bfloat16()}, 1)
    with pytest.raises(ValueError, match=r"count must lie in 0\.\.2"):
        least({"a": torch.ones(2)}, 3)
