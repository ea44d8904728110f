"""A specimen: a network with random weights on which pruning is proven before the dense network is trained."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from oraclecheck.errors import tell
from oraclecheck.pruning.probe import TOLERANCE, affordable_images, random_images


def specimen(make: Callable[[], nn.Module], input_shape: Sequence[int], classes: int) -> nn.Module:
    """A network with random weights that are all in use, to prove on before the dense network is trained.

    What starts as zero or one (the last normalisation of a branch, a layer's scale) would hide what is wrong there.

    Args:
        make: Builds the network, its weights from torch's global generator; call it and this in `double_precision`.
        input_shape: Shape of one image.
        classes: Number of classes.

    Raises:
        ValueError: If the network cannot be trained and pruned as it is: one sentence that says why.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = make()
        _refuse_unusable(network)
        generator = torch.Generator().manual_seed(0)
        for parameter in network.parameters():
            if parameter.is_floating_point():
                _liven(parameter, generator)
        _check_forward(network.eval(), random_images(input_shape, network, n=1), classes, "")
        images = affordable_images(input_shape, network, n=4)
        _calibrate(network, images.expand(2, *images.shape[1:]) if len(images) == 1 else images, classes)
        _check_state(network.eval(), make, images)
    return network.eval()


def _liven(parameter: nn.Parameter, generator: torch.Generator) -> None:
    noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    if parameter.ndim < 2:
        parameter.data += 0.2 * noise.to(parameter)
    elif parameter.numel() and not parameter.detach().std(correction=0) > 0:
        parameter.data += noise.to(parameter) / (parameter[0].numel() ** 0.5)


def _refuse_unusable(network: nn.Module) -> None:
    """What cannot be sliced, copied or measured, by its name."""
    for name, module in network.named_modules():
        parameters = dict(module.named_parameters(recurse=False))
        if torch.nn.utils.parametrize.is_parametrized(module) or {"weight_g", "weight_orig"} & parameters.keys():
            raise ValueError(
                f"model.network must not compute weights from others (weight or spectral normalisation, "
                f"parametrisations), which cannot be pruned; {name or 'it'} does: take it off in the network's class"
            )
        if any(isinstance(each, nn.UninitializedParameter) for each in parameters.values()):
            raise ValueError(f"model.network must know all its sizes when it is made; {name or 'it'} is lazy")
        if isinstance(module, torch.jit.ScriptModule):
            raise ValueError(f"model.network must not hold scripted modules, which cannot be pruned; {name or 'it'} is")
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and not module.track_running_stats:
            raise ValueError(
                "model.network must normalise by running statistics when it is measured; "
                f"{name or 'it'} has none (track_running_stats=False)"
            )


def _check_forward(network: nn.Module, images: Tensor, classes: int, when: str) -> None:
    try:
        with torch.no_grad():
            logits = network(images)
    except Exception as error:
        raise ValueError(
            f"model.network must take an image of shape {list(images.shape[1:])}{when}; it raises {tell(error)}"
        ) from error
    if not isinstance(logits, Tensor):
        raise ValueError(
            f"model.network must give a tensor of logits{when}; it gives a {type(logits).__name__}: return the logits "
            "alone, without auxiliary outputs"
        )
    if tuple(logits.shape) != (len(images), classes):
        raise ValueError(
            f"model.network must turn an image into data.classes={classes} logits{when}; its output has shape "
            f"{list(logits.shape[1:] if len(logits.shape) > 1 else logits.shape)}: set one of them"
        )


def _calibrate(network: nn.Module, images: Tensor, classes: int) -> None:
    """Give BatchNorms the statistics that activations have, and see that the network can be called in training."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    _check_forward(network.train(), images, classes, " in training")
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _check_state(network: nn.Module, make: Callable[[], nn.Module], images: Tensor) -> None:
    """Two networks with the same state dict must be the same network, whatever chance made of the rest of them."""
    torch.manual_seed(1)
    twin = make()
    try:
        twin.load_state_dict(network.state_dict())
    except RuntimeError as error:
        raise ValueError(
            f"model.network must have the same state dict before and after it has run; {tell(error)}"
        ) from error
    with torch.no_grad():
        outputs = [each.eval()(images) for each in (network, twin, network)]
    if not torch.allclose(outputs[0], outputs[2], rtol=TOLERANCE, atol=0, equal_nan=True):
        raise ValueError("model.network must give the same logits for the same images in eval mode; it does not")
    if not torch.allclose(outputs[0], outputs[1], rtol=TOLERANCE, atol=0, equal_nan=True):
        raise ValueError(
            "model.network must keep all that is random in it in its state dict; two networks with the same state dict "
            "give different logits: register such tensors as persistent buffers"
        )
