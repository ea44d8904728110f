"""The optimizers of recipes, for many networks at once: what is done to an element depends on nothing but it.

All numbers that change from step to step are tensors on the device, so that a captured step can be played again.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from oraclecheck.engines.recipe import Recipe

BETA2, EPSILON = 0.999, 1e-8
"""AdamW's, as torch has them by default."""


class Optimizer:
    """SGD or AdamW, as `Classifier.configure_optimizers` has them.

    Args:
        recipe: Which of them, with its momentum and weight decay.
        parameters: What is trained; changed in place.
    """

    def __init__(self, recipe: Recipe, parameters: Sequence[Tensor]) -> None:
        self.recipe, self.parameters = recipe, parameters
        self._adamw = recipe.optimizer == "adamw"
        moments = 2 if self._adamw else bool(recipe.momentum)
        self._moments = [[torch.zeros_like(parameter) for parameter in parameters] for _ in range(moments)]

    def reset(self) -> None:
        """Forget all steps."""
        for tensors in self._moments:
            for tensor in tensors:
                tensor.zero_()

    def sizes(self, rate: float, first: int, steps: int) -> Tensor:
        """What `step` takes at each of some steps, on the CPU, float64, shape (steps, 3).

        Args:
            rate: Learning rate.
            first: Steps that were taken before.
            steps: How many are to come.
        """
        if not self._adamw:
            return torch.tensor([[rate, 1.0, 1.0]], dtype=torch.float64).repeat(steps, 1)
        beta, decay = self.recipe.momentum, 1 - rate * self.recipe.weight_decay
        numbers = range(first + 1, first + steps + 1)
        rows = [[rate / (1 - beta**n), decay, math.sqrt(1 - BETA2**n)] for n in numbers]
        return torch.tensor(rows, dtype=torch.float64)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor | None], sizes: Tensor) -> None:
        """Take a step; a parameter that has no gradient stays as it is.

        Args:
            gradients: One for each parameter.
            sizes: A row of `sizes`, on the device.
        """
        used = [i for i, gradient in enumerate(gradients) if gradient is not None]
        if not used:
            return
        parameters, given = [self.parameters[i] for i in used], [g for g in gradients if g is not None]
        moments = [[tensors[i] for i in used] for tensors in self._moments]
        size, decay, root = sizes.unbind()
        if self._adamw:
            torch._foreach_mul_(parameters, decay)
            update = _adam(moments, given, self.recipe.momentum, root)
        else:
            update = self._descent(parameters, moments, given)
        torch._foreach_sub_(parameters, torch._foreach_mul(update, size))

    def _descent(self, parameters: list[Tensor], moments: list[list[Tensor]], gradients: list[Tensor]) -> list[Tensor]:
        update = list(torch._foreach_add(gradients, parameters, alpha=self.recipe.weight_decay))
        if moments:
            (velocity,) = moments
            torch._foreach_mul_(velocity, self.recipe.momentum)
            torch._foreach_add_(velocity, update)
            return velocity
        return update


def _adam(moments: list[list[Tensor]], gradients: list[Tensor], beta: float, root: Tensor) -> list[Tensor]:
    mean, square = moments
    torch._foreach_lerp_(mean, gradients, 1 - beta)
    torch._foreach_mul_(square, BETA2)
    torch._foreach_addcmul_(square, gradients, gradients, 1 - BETA2)
    scale = torch._foreach_sqrt(square)
    torch._foreach_div_(scale, root)
    torch._foreach_add_(scale, EPSILON)
    return list(torch._foreach_div(mean, scale))


def clip(gradients: Sequence[Tensor | None], largest: float, networks: int) -> list[Tensor | None]:
    """Gradients of which each network's norm is at most `largest`, as `torch.nn.utils.clip_grad_norm_` has it.

    Args:
        gradients: Each of so many networks' numbers.
        largest: Of the norm over all parameters.
        networks: How many there are.
    """
    rows = [gradient.reshape(networks, -1) for gradient in gradients if gradient is not None]
    norm = torch.stack([row.norm(dim=1) for row in rows]).norm(dim=0)
    share = (largest / (norm + 1e-6)).clamp(max=1.0)
    return [
        g if g is None else g * (share.view(-1, *[1] * (g.dim() - 1)) if networks > 1 else share) for g in gradients
    ]
