"""What a pruned network should compute, found without a dependency graph: the dense network, watched while it runs.

Five copies of the same images go through the dense network side by side, as one batch:

- *reference*: the images as they are;
- *raised* and *lowered*: the outputs of the removed filters are perturbed. Whatever differs from the reference is
  theirs: elements are told by observation, so reshapes, shuffles, slices and concatenations need no rule;
- *still* and *stirred*: the removed filters are silent, and in the second everything else is perturbed. Elements of
  the removed filters in which these two differ carry something else as well: they cannot be removed.

The functions that mix channels with weights get the removed filters' elements as zeros, and normalisations take their
statistics over the elements that are kept. What the first copy gives is the reference.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from oraclecheck.networks.attention import SelfAttention
from oraclecheck.pruning.combination import Removed
from oraclecheck.pruning.partial_normalisation import OVER_CHANNELS, normalise_kept

COPIES = 5
REFERENCE, RAISED, LOWERED, STILL, STIRRED = range(COPIES)

CHANGE = 1e-12
"""Of the largest element: in float64 a hundred times what rounding does, and far below what a perturbation does."""

CONVOLUTIONS = (
    *(functional.conv1d, functional.conv2d, functional.conv3d),
    *(functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d),
)
GROUPS = 6  # the position of their argument `groups`

CHANNELWISE = (functional.batch_norm, functional.instance_norm)
"""Normalisations that mix no channels."""

ATTENTION: Any = functional.multi_head_attention_forward
WATCHED = {*CONVOLUTIONS, functional.linear, ATTENTION, *CHANNELWISE, *OVER_CHANNELS}


def observe(network: nn.Module, removed: Removed, images: Tensor, noisy: Sequence[str] = ()) -> "Observation":
    """The logits that a network without the removed filters should have, and what speaks against removing them.

    Args:
        network: In eval mode; float64, or perturbations drown in rounding. It is not changed.
        removed: Layer -> indices of its removed filters.
        images: Shape (n, ...); a few are enough.
        noisy: Modules whose outputs are perturbed, in all copies alike.
    """
    seen = Observation(len(images))
    with torch.no_grad(), ExitStack() as stack:
        for hook in _hooks(network, removed, noisy, seen):
            stack.enter_context(hook)
        stack.enter_context(seen)
        output = network(torch.cat([images] * (COPIES - 1) + [images + seen.noise_like(images)]))
    seen.logits, seen.reaches_output = _copies(output)[REFERENCE], bool(_shaken(output).any())
    return seen


class Observation(TorchFunctionMode):
    """What was seen of a dense network without some filters: while it runs, functions with weights are intercepted.

    Attributes:
        logits: Of the reference, shape (n, classes).
        reaches_output: Whether a removed filter is a part of the output itself.
        conflict: Name of the module where an element of a removed filter meets something that is kept; None if none.
        called: The pruned layers that the forward called as modules.
        unwatched: One whose output has no batch in its first dimension; None if none.
        passed: Names of the modules that removed filters went through channel by channel, such as BatchNorms.
        stillness: For each function that got zeros for removed filters, which elements those were, and what they held
            while the removed filters were silent.
    """

    logits: Tensor
    reaches_output: bool

    def __init__(self, images: int) -> None:
        super().__init__()
        self.conflict: str | None = None
        self.called: set[str] = set()
        self.unwatched: str | None = None
        self.passed: set[str] = set()
        self.stillness: list[tuple[Tensor, Tensor]] = []
        self.module = ""  # that is running
        self._batch = COPIES * images
        self._generator = torch.Generator().manual_seed(0)

    def __torch_function__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), keywords: Mapping[str, Any] | None = None
    ) -> Any:
        keywords = dict(keywords or {})
        if function in WATCHED and not arguments and "input" in keywords:
            arguments = (keywords.pop("input"),)
        # before the first pruned layer there is nothing to see; and what is no batch of copies is not looked at
        if function not in WATCHED or not arguments or not self.called or not self._is_copies(arguments[0]):
            return function(*arguments, **keywords)
        if function is ATTENTION:
            return function(*map(self._without, arguments[:3]), *arguments[3:], **keywords)
        tensor, *others = arguments
        convolves = function in CONVOLUTIONS
        if function is functional.linear or (convolves and not _is_depthwise(arguments, keywords)):
            return self._stir(function(self._without(tensor), *others, **keywords))
        elements = _shaken(tensor)
        if function in OVER_CHANNELS and elements.any():
            kept = (~elements).to(tensor.dtype).expand_as(tensor)
            output = normalise_kept(function, kept, *arguments, **keywords)
            return self._pass_on(output, elements, _alone(tensor, elements))
        output = function(*arguments, **keywords)
        if convolves:
            channels = elements.reshape(len(elements), -1).any(1)
            if len(channels) == output.shape[1]:
                elements = channels.view(-1, *[1] * (output.ndim - 2)).expand(output.shape[1:])
            else:  # several outputs of a channel
                elements = _shaken(output)
        return self._pass_on(output, elements)

    def _pass_on(self, output: Tensor, elements: Tensor, alone: Tensor | None = None) -> Tensor:
        """Perturb anew what holds removed filters: a normalisation may have shrunk or closed them."""
        if elements.any():
            self.passed.add(self.module)
            copies = _copies(output)
            # zero, not a shift or a bias, where the removed filters are silent
            copies[STILL:].masked_fill_(_alone(output, elements) if alone is None else alone, 0)
            self._perturb(copies, elements)
        return self._stir(output, elements)

    def _perturb(self, copies: Tensor, elements: Tensor) -> None:
        for copy, sign in ((RAISED, 1), (LOWERED, -1)):  # one of them gets through what is closed to the other
            noise = self.noise_like(copies[REFERENCE]).abs().masked_fill_(~elements, 0)
            copies[copy] = copies[REFERENCE] + sign * noise

    def _is_copies(self, tensor: Any) -> bool:
        return (
            isinstance(tensor, Tensor)
            and tensor.ndim > 1
            and tensor.is_floating_point()
            and tensor.shape[0] > 0
            and tensor.shape[0] % self._batch == 0
        )

    def _without(self, tensor: Tensor) -> Tensor:
        """The tensor with the removed filters' elements zeroed; notes where they meet something else."""
        if not self._is_copies(tensor) or not (elements := _shaken(tensor)).any():
            return tensor
        if self.conflict is None and (elements & ~_alone(tensor, elements)).any():
            self.conflict = self.module
        self.stillness.append((elements, _copies(tensor)[STILL].masked_fill(~elements, 0)))
        return tensor.masked_fill(elements, 0)

    def _stir(self, tensor: Tensor, elements: Tensor | None = None) -> Tensor:
        """Perturb whatever is not a removed filter's element, in the copy that is stirred."""
        copies = _copies(tensor)
        noise = self.noise_like(copies[STIRRED])
        if elements is not None:
            noise.masked_fill_(elements, 0)
        copies[STIRRED] += noise  # of a function's output, which nobody else has seen
        return tensor

    def shake(self, name: str, dim: int, filters: Sequence[int], output: Tensor) -> Tensor:
        """The output of a pruned layer: its removed filters perturbed in two copies, zero in the silent ones.

        Args:
            name: Its name.
            dim: Where its filters are.
            filters: Indices of that dimension.
            output: Of all copies.
        """
        self.called.add(name)
        if not self._is_copies(output):
            self.unwatched = name
            return output
        copies = _copies(output).clone()
        theirs = torch.zeros(output.shape[dim], dtype=torch.bool, device=output.device)
        theirs[list(filters)] = True
        theirs = theirs.view(-1, *[1] * (output.ndim - 1 - dim % output.ndim))
        self._perturb(copies, theirs)
        copies[STILL:] = copies[STILL:].masked_fill(theirs, 0)
        return copies.flatten(0, 1)

    def noise_like(self, tensor: Tensor) -> Tensor:
        """Perturbations of all sizes around a tensor's own, so that some get through every activation."""
        size = tensor.detach().std(correction=0) + 1
        normal = torch.randn(tensor.shape, generator=self._generator, dtype=torch.float64)
        return (normal.abs().sqrt() * normal**3).to(tensor) * size  # of many sizes


def _is_depthwise(arguments: Sequence[Any], keywords: Mapping[str, Any]) -> bool:
    groups = arguments[GROUPS] if len(arguments) > GROUPS else keywords.get("groups", 1)
    return 1 < groups == arguments[0].shape[1]


def _copies(tensor: Tensor) -> Tensor:
    return tensor.unflatten(0, (COPIES, -1))


def _shaken(tensor: Tensor) -> Tensor:
    """The elements that show what was done to the removed filters: bool, of the shape of one image's."""
    copies = _copies(tensor)
    return (differ(copies[RAISED], copies[REFERENCE]) | differ(copies[LOWERED], copies[REFERENCE])).any(0)


def _alone(tensor: Tensor, elements: Tensor) -> Tensor:
    """Those of the elements that hold nothing but removed filters."""
    still, stirred = _copies(tensor)[STILL:]
    finite = (still.isfinite() & stirred.isfinite()).all(0)  # an infinity would hide what is added to it
    return elements & finite & ~differ(still, stirred).any(0)


def differ(one: Tensor, other: Tensor) -> Tensor:
    """Where two tensors differ by more than rounding does; NaN, of which that is not known, differs from everything."""
    largest = torch.stack([one, other]).nan_to_num(0, 0, 0).abs().amax()
    return ~(((one - other).abs() <= CHANGE * largest) | (one == other))


def _hooks(network: nn.Module, removed: Removed, noisy: Sequence[str], seen: Observation) -> Iterator[RemovableHandle]:
    """Let an observation see the outputs of the pruned layers, and which module is running."""
    for name, module in network.named_modules():
        yield module.register_forward_pre_hook(lambda module, inputs, name=name: setattr(seen, "module", name))
    for name, filters in removed.items():
        layer = network.get_submodule(name)
        if isinstance(layer, SelfAttention):  # what a head feeds the output projection is its output
            columns = [head * layer.head_width + column for head in filters for column in range(layer.head_width)]
            shake = partial(seen.shake, name, -1, columns)
            yield layer.out_proj.register_forward_pre_hook(lambda module, inputs, shake=shake: (shake(inputs[0]),))
        else:
            shake = partial(seen.shake, name, -1 if isinstance(layer, nn.Linear) else 1, filters)
            yield layer.register_forward_hook(lambda module, inputs, output, shake=shake: shake(output))
    for name in noisy:
        yield network.get_submodule(name).register_forward_hook(_disturb)


def _disturb(module: nn.Module, inputs: Any, output: Any) -> Any:
    if not isinstance(output, Tensor):
        return output
    noise = torch.randn(output.shape[1:], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return output + noise.to(output)  # the same for every copy
