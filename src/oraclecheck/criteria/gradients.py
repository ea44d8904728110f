"""Scores by the loss's derivatives with respect to each filter's parameters."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

from oraclecheck.criteria.filter_parameters import chosen_parameters, filter_parameters
from oraclecheck.criteria.measuring import calibration, measured
from oraclecheck.data.images import LabelledImages


def taylor(
    network: nn.Module,
    data: LabelledImages,
    layers: Sequence[str],
    *,
    images: int | None = 20_000,
    batch_size: int = 256,
) -> dict[str, Tensor]:
    """The squared first-order change of the loss, were a filter removed.

    Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR 2019, Eq. 8: the mean over batches of
    (sum of g * w over the filter's parameters)^2, g the gradient of the batch's mean loss. Which parameters those are,
    `filter_parameters` says. In eval mode: BatchNorms use their running statistics.

    Args:
        network: The dense network, on the device of the data.
        data: Training images.
        layers: Names of the network's layers.
        images: How many of them; null for all.
        batch_size: Images of a batch; the last may be smaller and counts as much as any other.

    Returns:
        Layer -> float64 of shape (filters,), nats squared; lower is better to remove.
    """
    chosen = calibration(data, images)
    with measured(network, data.device):
        found = filter_parameters(network, data, layers)
        parameters = chosen_parameters(network, found)
        scores = {name: torch.zeros(each.filters, dtype=torch.float64) for name, each in found.items()}
        batches = 0
        for batch, labels in chosen.batches(batch_size):
            values = {name: each.clone().requires_grad_() for name, each in parameters.items()}
            loss = cross_entropy(functional_call(network, values, (batch,)), labels)
            gradients = torch.autograd.grad(loss, list(values.values()))
            with torch.no_grad():
                products = {
                    name: (gradient * values[name])[None] for name, gradient in zip(values, gradients, strict=True)
                }
            for name, each in found.items():
                scores[name] += each.sum(products)[0].cpu().double().square()
            batches += 1
    return {name: score / batches for name, score in scores.items()}


def fisher(
    network: nn.Module, data: LabelledImages, layers: Sequence[str], *, images: int | None = 2_000, batch_size: int = 50
) -> dict[str, Tensor]:
    """The second-order change of the loss, were a filter removed, with a diagonal Hessian: optimal brain damage.

    LeCun et al., "Optimal Brain Damage", NeurIPS 1989, Eq. 5, its Hessian estimated by Fisher's information (Theis et
    al., "Faster gaze prediction with dense networks and Fisher pruning", 2018, Eq. 6): 1/2 of the sum over the
    filter's parameters of mean(g^2) * w^2, with the gradient g of each image's own loss. Which parameters those are,
    `filter_parameters` says. In eval mode.

    Args:
        network: The dense network, on the device of the data.
        data: Training images.
        layers: Names of the network's layers.
        images: How many of them; null for all.
        batch_size: Images at once, of each of which a gradient is kept; the scores do not depend on it.

    Returns:
        Layer -> float64 of shape (filters,), nats; lower is better to remove.
    """
    chosen = calibration(data, images)
    with measured(network, data.device):
        found = filter_parameters(network, data, layers)
        parameters = chosen_parameters(network, found)

        def loss(values: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
            return cross_entropy(functional_call(network, values, (image[None],)), label[None])

        gradients_of = vmap(grad(loss), in_dims=(None, 0, 0))
        squares = {name: torch.zeros(each.shape, dtype=torch.float64) for name, each in parameters.items()}
        for batch, labels in chosen.batches(batch_size):
            for name, gradients in gradients_of(parameters, batch, labels).items():
                squares[name] += gradients.square().sum(0).cpu().double()
    terms = {
        name: (each / len(chosen) * parameters[name].cpu().double().square())[None] / 2
        for name, each in squares.items()
    }
    return {name: each.sum(terms)[0] for name, each in found.items()}
