"""Networks of one shape as stacked tensors."""

import copy
from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from oraclecheck.engines.structure import structure


class Stack:
    """Places for networks of one structure; what is in one place knows nothing of the others.

    A stack of one computes with that network's own kernels and memory layout, as if it stood alone.

    Args:
        network: One of the networks; it is not changed.
        size: How many places there are, at least 1.
        device: Where the tensors lie.

    Attributes:
        template: The network without its tensors; its modules' modes, at first the network's, decide what all do.
        trained: The parameters that are trained, each of shape (size, ...), or in a stack of one (...).
    """

    def __init__(self, network: nn.Module, size: int, device: torch.device) -> None:
        self.size, self.device = size, device
        self.template = copy.deepcopy(network).to("meta")
        self._structure = structure(network)
        parameters, buffers = dict(network.named_parameters()), dict(network.named_buffers())
        self._parameters = {name: self._place(tensor) for name, tensor in parameters.items()}
        self._buffers = {name: self._place(tensor) for name, tensor in buffers.items()}
        self.trained = [self._parameters[name] for name, p in parameters.items() if p.requires_grad]
        for tensor in self.trained:
            tensor.requires_grad_()

    @property
    def dtype(self) -> torch.dtype:
        """In which the networks compute, if in one alone."""
        return self.trained[0].dtype if self.trained else torch.float32

    def _place(self, tensor: Tensor) -> Tensor:
        if self.size == 1:
            return torch.empty_like(tensor, device=self.device, requires_grad=False)
        return torch.empty((self.size, *tensor.shape), dtype=tensor.dtype, device=self.device)

    def fits(self, network: nn.Module) -> bool:
        """Whether a network can have a place: it differs from the first in the values of its tensors alone."""
        return structure(network) == self._structure

    @torch.no_grad()
    def load(self, networks: Sequence[nn.Module]) -> None:
        """Copy the tensors of networks into the places, in their order; there are as many.

        Raises:
            ValueError: If a network has another structure.
        """
        if not all(map(self.fits, networks)):
            raise ValueError("model.network must keep its structure, whatever is pruned, for engine=stacked")
        for place, network in enumerate(networks):
            for ours, theirs in self._pairs(place, network):
                ours.copy_(theirs)

    @torch.no_grad()
    def unload(self, place: int, network: nn.Module) -> None:
        """Copy the tensors of a place into a network of the same structure, wherever it is."""
        for ours, theirs in self._pairs(place, network):
            theirs.copy_(ours)

    def _pairs(self, place: int, network: nn.Module) -> list[tuple[Tensor, Tensor]]:
        """Tensors of a place, and those of a network."""
        ours = chain(self._parameters.values(), self._buffers.values())
        theirs = chain(network.parameters(), network.buffers())
        return [(a if self.size == 1 else a[place], b) for a, b in zip(ours, theirs, strict=True)]

    def __call__(self, images: Tensor) -> Tensor:
        """Logits of shape (size, n, classes); in training mode running statistics follow.

        Args:
            images: A batch for each network, shape (size, n, channels, height, width), or one for all without `size`.
        """
        own = images.dim() == 5
        if self.size == 1:
            return self._one(self._parameters, self._buffers, images[0] if own else images)[None]
        return vmap(self._one, (0, 0, 0 if own else None))(self._parameters, self._buffers, images)

    def _one(self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor) -> Tensor:
        return functional_call(self.template, (parameters, buffers), (images,))
