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

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from oraclecheck.networks.vit import SelfAttention
from oraclecheck.pruning.combination import Removed
from oraclecheck.pruning.partial_normalisation import PARTIAL

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


@dataclass(frozen=True)
class Observation:
    """What was seen of a dense network without some filters.

    Attributes:
        logits: Of the reference, shape (n, classes).
        conflict: Name of the module where an element of a removed filter meets something that is kept; None if none.
        reaches_output: Whether a removed filter is a part of the output itself.
        silent: Prunable layers that the forward did not call as modules.
        unwatched: One whose output has no batch in its first dimension; None if none.
        passed: Names of the modules that removed filters went through channel by channel, such as BatchNorms.
        stillness: For each function that got zeros for removed filters, which elements those were, and what they held
            while the removed filters were silent.
    """

    logits: Tensor
    conflict: str | None
    reaches_output: bool
    silent: tuple[str, ...]
    unwatched: str | None
    passed: frozenset[str]
    stillness: tuple[tuple[Tensor, Tensor], ...]


def observe(network: nn.Module, removed: Removed, images: Tensor, noisy: Sequence[str] = ()) -> Observation:
    """The logits that a network without the removed filters should have, and what speaks against removing them.

    Args:
        network: In eval mode; float64, or perturbations drown in rounding. It is not changed.
        removed: Layer -> indices of its removed filters.
        images: Shape (n, ...); a few are enough.
        noisy: Modules whose outputs are perturbed, in all copies alike.
    """
    watch = _Watch(removed, len(images), noisy)
    with torch.no_grad(), _hooked(network, watch), watch:
        output = network(torch.cat([images] * (COPIES - 1) + [images + watch.noise_like(images)]))
    copies = output.unflatten(0, (COPIES, -1))
    return Observation(
        logits=copies[REFERENCE],
        conflict=watch.conflict,
        reaches_output=bool(_shaken(copies).any()),
        silent=tuple(name for name in removed if name not in watch.called),
        unwatched=watch.unwatched,
        passed=frozenset(watch.passed),
        stillness=tuple(watch.stillness),
    )


class _Watch(TorchFunctionMode):
    """Intercepts the functions that have weights over channels, and normalisations, while the four copies run."""

    def __init__(self, removed: Removed, images: int, noisy: Sequence[str]) -> None:
        super().__init__()
        self.removed, self.batch, self.noisy = removed, COPIES * images, noisy
        self.generator = torch.Generator().manual_seed(0)
        self.called: set[str] = set()
        self.passed: set[str] = set()
        self.stillness: list[tuple[Tensor, Tensor]] = []
        self.conflict: str | None = None
        self.unwatched: str | None = None
        self.module = ""

    def __torch_function__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), keywords: Mapping[str, Any] | None = None
    ) -> Any:
        keywords = dict(keywords or {})
        rule = self._rule(function)
        if rule is not None and not arguments and "input" in keywords:
            arguments = (keywords.pop("input"),)
        # before the first pruned layer there is nothing to see; and what is no batch of copies is not looked at
        if rule is None or not arguments or not self.called or not self._is_copies(arguments[0]):
            return function(*arguments, **keywords)
        return rule(function, arguments, keywords)

    def _rule(self, function: Any) -> Callable[..., Tensor] | None:
        if function in CONVOLUTIONS:
            return self._convolve
        if function is functional.linear:
            return self._consume
        if function is functional.multi_head_attention_forward:
            return self._attend
        if function in CHANNELWISE:
            return self._pass
        if function in PARTIAL:
            return self._normalise
        return None

    def _convolve(self, function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Tensor:
        groups = arguments[GROUPS] if len(arguments) > GROUPS else keywords.get("groups", 1)
        if not (groups > 1 and groups == arguments[0].shape[1]):
            return self._consume(function, arguments, keywords)
        output = function(*arguments, **keywords)
        elements = self.elements(arguments[0])
        positions = list(range(1, elements.ndim))
        channels = elements.any(positions[0], keepdim=True) if elements.ndim > 1 else elements
        for position in positions[1:]:
            channels = channels.any(position, keepdim=True)
        if len(channels) != output.shape[1]:  # several outputs of a channel
            return self._pass_on(output, self.elements(output))
        return self._pass_on(output, channels.expand(output.shape[1:]))

    def _consume(self, function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Tensor:
        """A function that mixes channels: the removed filters' elements are zeros to it."""
        return self._stir(function(self.without(arguments[0]), *arguments[1:], **keywords), None)

    def _attend(self, function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        return function(*(self.without(tokens) for tokens in arguments[:3]), *arguments[3:], **keywords)

    def _pass(self, function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Tensor:
        """A function of each channel by itself."""
        return self._pass_on(function(*arguments, **keywords), self.elements(arguments[0]))

    def _normalise(self, function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Tensor:
        """A normalisation over channels: over those that are kept."""
        elements = self.elements(arguments[0])
        if not elements.any():
            return self._stir(function(*arguments, **keywords), None)
        kept = (~elements).to(arguments[0].dtype).expand_as(arguments[0])
        output = PARTIAL[function](kept, *arguments, **keywords)
        return self._pass_on(output, elements, _alone(arguments[0], elements))

    def _pass_on(self, output: Tensor, elements: Tensor, alone: Tensor | None = None) -> Tensor:
        """Perturb anew what holds removed filters: a normalisation may have shrunk or closed them."""
        if not elements.any():
            return self._stir(output, None)
        self.passed.add(self.module)
        output = _silence(output, _alone(output, elements) if alone is None else alone)
        self._perturb(output.unflatten(0, (COPIES, -1)), elements)
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
            and tensor.shape[0] % self.batch == 0
        )

    def elements(self, tensor: Tensor) -> Tensor:
        """Which elements are the removed filters', bool, of the shape of one image's."""
        return _shaken(tensor.unflatten(0, (COPIES, -1)))

    def without(self, tensor: Tensor) -> Tensor:
        """The tensor with the removed filters' elements zeroed; notes where they meet something else."""
        if not self._is_copies(tensor):
            return tensor
        elements = self.elements(tensor)
        if not elements.any():
            return tensor
        if self.conflict is None and (elements & ~_alone(tensor, elements)).any():
            self.conflict = self.module
        self.stillness.append((elements, tensor.unflatten(0, (COPIES, -1))[STILL].masked_fill(~elements, 0)))
        return tensor.masked_fill(elements, 0)

    def _stir(self, tensor: Tensor, elements: Tensor | None) -> Tensor:
        """Perturb whatever is not a removed filter's element, in the copy that is stirred."""
        copies = tensor.unflatten(0, (COPIES, -1))
        noise = self.noise_like(copies[STIRRED])
        if elements is not None:
            noise.masked_fill_(elements, 0)
        copies[STIRRED] += noise  # of a function's output, which nobody else has seen
        return tensor

    def shake(self, name: str, output: Tensor, dim: int, filters: Sequence[int]) -> Tensor:
        """The output of a pruned layer: its removed filters perturbed in one copy, zero in the silent ones.

        Args:
            name: Its name.
            output: Of all copies.
            dim: Where its filters are.
            filters: Indices of that dimension.
        """
        self.called.add(name)
        if not self._is_copies(output):
            self.unwatched = name
            return output
        copies = output.unflatten(0, (COPIES, -1)).clone()
        theirs = torch.zeros(output.shape[dim], dtype=torch.bool, device=output.device)
        theirs[list(filters)] = True
        theirs = theirs.view(-1, *[1] * (output.ndim - 1 - dim % output.ndim))
        self._perturb(copies, theirs)
        copies[STILL:] = copies[STILL:].masked_fill(theirs, 0)
        return copies.flatten(0, 1)

    def noise_like(self, tensor: Tensor) -> Tensor:
        """Perturbations of all sizes around a tensor's own, so that some get through every activation."""
        size = tensor.detach().std(correction=0) + 1
        normal = torch.randn(tensor.shape, generator=self.generator, dtype=torch.float64)
        return (normal.abs().sqrt() * normal**3).to(tensor) * size  # of many sizes


def _shaken(copies: Tensor) -> Tensor:
    """The elements that show what was done to the removed filters."""
    return _differing(copies, RAISED, REFERENCE) | _differing(copies, LOWERED, REFERENCE)


def _alone(tensor: Tensor, elements: Tensor) -> Tensor:
    """Those of the elements that hold nothing but removed filters."""
    copies = tensor.unflatten(0, (COPIES, -1))
    finite = copies[STILL:].isfinite().all(0).all(0)  # an infinity would hide what is added to it
    return elements & finite & ~_differing(copies, STILL, STIRRED)


def _silence(tensor: Tensor, elements: Tensor) -> Tensor:
    """Let elements be zero, not a shift or a bias, in the copies where the removed filters are silent; in place."""
    tensor.unflatten(0, (COPIES, -1))[STILL:].masked_fill_(elements, 0)
    return tensor


def _differing(copies: Tensor, one: int, other: int) -> Tensor:
    """The elements in which two of the copies differ in any image, shape of one image's.

    A NaN differs from everything: what is not known to be the same is not taken for it.
    """
    return differ(copies[one], copies[other]).any(0)


def differ(one: Tensor, other: Tensor) -> Tensor:
    """Where two tensors differ by more than rounding does, or hold NaN."""
    largest = torch.stack([one, other]).nan_to_num(0, 0, 0).abs().amax()
    return ~(((one - other).abs() <= CHANGE * largest) | (one == other))


@contextmanager
def _hooked(network: nn.Module, watch: _Watch) -> Iterator[None]:
    """Lets a watch see the outputs of the pruned layers, and which module is running."""
    with ExitStack() as stack:

        def attach(handle: RemovableHandle) -> None:
            stack.callback(handle.remove)

        for name, module in network.named_modules():
            attach(module.register_forward_pre_hook(lambda module, inputs, name=name: setattr(watch, "module", name)))
        for name, filters in watch.removed.items():
            layer = network.get_submodule(name)
            if isinstance(layer, SelfAttention):
                attach(layer.out_proj.register_forward_pre_hook(_shake_heads(watch, name, layer, filters)))
                continue
            dim = -1 if isinstance(layer, nn.Linear) else 1

            def shake(
                module: nn.Module, inputs: Any, output: Tensor, name: str = name, dim: int = dim, filters: Any = filters
            ) -> Tensor:
                return watch.shake(name, output, dim, filters)

            attach(layer.register_forward_hook(shake))
        for name in watch.noisy:
            attach(network.get_submodule(name).register_forward_hook(_disturb))
        yield


def _disturb(module: nn.Module, inputs: Any, output: Any) -> Any:
    if not isinstance(output, Tensor):
        return output
    noise = torch.randn(output.shape[1:], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return output + noise.to(output)  # the same for every copy


def _shake_heads(watch: _Watch, name: str, layer: SelfAttention, heads: Sequence[int]) -> Callable[..., tuple[Tensor]]:
    """What a head feeds the output projection is its output."""
    columns = [head * layer.head_width + column for head in heads for column in range(layer.head_width)]
    return lambda module, inputs: (watch.shake(name, inputs[0], -1, columns),)
