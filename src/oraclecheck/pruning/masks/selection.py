"""The least of very many numbers that lie in several tensors, exactly, without putting them side by side.

Floating-point numbers that are not negative have the order of their bits read as an integer. So the threshold is found
by counting bit patterns, 16 bits at a time from the highest: one pass over bfloat16 and float16, two over float32, four
over float64.
"""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

_DIGIT = 16  # bits that are counted in one pass
_PART = 1 << 22  # numbers whose bits are counted at once: what is kept beside the tensors is 32 MB

_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def least(scores: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
    """Where the `count` least of all numbers in some tensors are.

    Of equal numbers the first ones are taken: by the order of the tensors, and in a tensor by the order of its indices,
    whatever its memory layout. NaN comes after everything else.

    Args:
        scores: Name -> numbers of any shape, at least 0, on one device; all of one floating-point type.
        count: How many, at most as many as there are.

    Returns:
        Name -> bool, of the tensor's shape; `count` of all are True.

    Raises:
        ValueError: If the types differ, or there are not as many numbers.
    """
    kinds = {tensor.dtype for tensor in scores.values()}
    total = sum(tensor.numel() for tensor in scores.values())
    if len(kinds) != 1:
        raise ValueError(f"weights that are compared must have one type; got {', '.join(sorted(map(str, kinds)))}")
    if not 0 <= count <= total:
        raise ValueError(f"count must lie in 0..{total}, the numbers there are; got {count}")
    threshold, ties = _threshold(scores.values(), count)
    found = {}
    for name, tensor in scores.items():
        bits = _bits(tensor.reshape(-1))
        taken = bits < threshold
        equal = (bits == threshold).nonzero().flatten()[:ties]
        taken[equal] = True
        ties -= len(equal)
        found[name] = taken.view(tensor.shape)
    return found


def _threshold(tensors: Iterable[Tensor], count: int) -> tuple[int, int]:
    """Bits of the `count`-th least number, and how many of those that equal it are among the `count` least."""
    tensors = list(tensors)
    width = 8 * tensors[0].element_size()
    threshold, left = 0, count
    for shift in range(width - _DIGIT, -1, -_DIGIT):
        counts = torch.zeros(1 << _DIGIT, dtype=torch.int64, device=tensors[0].device)
        for bits in _parts(tensors):
            if shift + _DIGIT < width:
                bits = bits[(bits >> (shift + _DIGIT)) == threshold]
            counts += torch.bincount((bits >> shift) & ((1 << _DIGIT) - 1), minlength=1 << _DIGIT)
        up_to = counts.cumsum(0)
        digit = int(torch.searchsorted(up_to, left))
        left -= int(up_to[digit] - counts[digit])
        threshold = threshold << _DIGIT | digit
    return threshold, left


def _parts(tensors: Iterable[Tensor]) -> Iterator[Tensor]:
    for tensor in tensors:
        yield from map(_bits, tensor.reshape(-1).split(_PART))


def _bits(numbers: Tensor) -> Tensor:
    """The bits of numbers without their sign, as integers in which a mask of 16 bits has room."""
    bits = numbers.abs().view(_INTEGERS[numbers.element_size()])
    return bits.int() if bits.dtype == torch.int16 else bits
