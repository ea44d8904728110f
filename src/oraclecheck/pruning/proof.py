"""Proof that pruning does what a record says it did, before anything is trained on it.

torch-pruning finds by itself what has to change where filters go, and there are networks that it gets wrong without an
error. So a study's pruning is compared, in float64, on random images and for several combinations, with a reference
that knows nothing of dependency graphs (`reference.observe`). A study is run only if

a. every pruned layer keeps exactly the filters that the combination keeps, unchanged;
b. no other module loses outputs, but for those that the same filters alone reach: a depthwise convolution behind the
   layer, or a gate that multiplies its output;
c. in eval mode the logits are the reference's, to 1e-9 of the largest of each class;
d. every parameter is trained, or frozen, as before, shares its values with those it shared them with, and gets a
   gradient in training mode where it got one.
"""

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from oraclecheck.pruning.combination import LayerChoice, Removed
from oraclecheck.pruning.layers import filter_weights
from oraclecheck.pruning.reference import COPIES, Observation, differ, observe
from oraclecheck.pruning.structured import as_released, brief, outputs_of, prune

TOLERANCE = 1e-9
"""Of the largest logit of a class; what is right is right to 1e-14."""

IMAGES, MORE_IMAGES = 3, 16
"""Three and not two: with its copies a batch of 15, which few other dimensions are a multiple of."""

MOST_PIXELS = 64
"""On a side of an image, where the network takes smaller ones than it was made for: its channels are the same."""

RANDOM_COMBINATIONS = 3
MOST_NAMES = 4  # in a sentence; a residual stream ties dozens of layers

VERSION = 2
"""Of what is proven; a proof of another version is made again."""


class UnprovenError(ValueError):
    """Pruning a layer cannot be shown to be exact.

    Attributes:
        layer: Its name; None if several are wrong only together.
        coupled: Other layers that would lose outputs.
    """

    def __init__(self, sentence: str, layer: str | None, coupled: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.layer, self.coupled = layer, tuple(coupled)


@dataclass(frozen=True)
class Flaw:
    """Why a combination cannot be removed.

    Attributes:
        rule: What `pruning.ratio` must do; the sentence's beginning.
        problem: What is the case instead.
        coupled: Other layers that would lose outputs.
    """

    rule: str
    problem: str
    coupled: tuple[str, ...] = ()


def prove(
    dense: nn.Module,
    layers: Sequence[LayerChoice],
    input_shape: Sequence[int],
    *,
    released: bool = False,
    sampled: int = RANDOM_COMBINATIONS,
) -> dict[str, tuple[str, ...]]:
    """Show that the combinations of these layers can be removed from a network, exactly.

    Args:
        dense: In float64, with the weights in question; it is not changed.
        layers: How many filters of which layers go.
        input_shape: Shape of one image.
        released: Whether pruning is wired as the paper's released code does.
        sampled: How many combinations are tried besides the first and the last.

    Returns:
        Layer -> other layers that lose outputs with it, each a depthwise convolution or a gate; only layers that have
        such.

    Raises:
        UnprovenError: If they cannot; one sentence that names the layer and which of (a) to (d) fails.
    """
    mode = dense.training
    try:
        return _prove(dense.eval(), layers, input_shape, released, sampled)
    finally:
        dense.train(mode)


def _prove(
    dense: nn.Module, layers: Sequence[LayerChoice], input_shape: Sequence[int], released: bool, sampled: int
) -> dict[str, tuple[str, ...]]:
    images = affordable_images(input_shape, dense)
    example = torch.zeros(1, *input_shape).to(images)  # what a study traces with
    partners: set[str] = set()
    for number, removed in enumerate(combinations(layers, sampled)):
        network, gone = as_released(dense, removed, layers) if released else (dense, removed)
        trials = [images]
        if number == 0 and images.shape[1:] != example.shape[1:]:
            trials.append(random_images(input_shape, dense, 1))
        for trial in trials:
            found = _examine(network, gone, trial, example)
            if isinstance(found, Flaw):
                raise _blame(network, gone, trial, example, found)
            partners.update(found)
        if number == 0 and (wrong := _wrong_training(network, gone, images, example)):
            raise _blame(network, gone, images, example, wrong)
    if not partners:
        return {}
    removed = next(combinations(layers, 0))
    alone = {name: _lost_outputs(dense, prune(dense, {name: removed[name]}, example), name) for name in removed}
    return {name: others for name, others in alone.items() if others}


def combinations(layers: Sequence[LayerChoice], sampled: int) -> Iterator[Removed]:
    """The first combination, the last, and so many at random."""
    yield {layer.name: tuple(range(layer.removed)) for layer in layers}
    yield {layer.name: tuple(range(layer.filters - layer.removed, layer.filters)) for layer in layers}
    chance = random.Random(0)
    for _ in range(sampled):
        yield {layer.name: tuple(sorted(chance.sample(range(layer.filters), layer.removed))) for layer in layers}


def random_images(input_shape: Sequence[int], network: nn.Module, n: int = IMAGES) -> Tensor:
    """Images of standard normal noise, of a network's type and on its device."""
    like = next(network.parameters())
    images = torch.randn(n, *input_shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return images.to(like.device, like.dtype if like.dtype.is_floating_point else torch.get_default_dtype())


def affordable_images(input_shape: Sequence[int], network: nn.Module, n: int = IMAGES) -> Tensor:
    """Random images, small if the network takes small ones; one if it takes only large ones.

    Args:
        input_shape: Shape of one image as the network was made for.
        network: In eval mode.
        n: How many.
    """
    if len(input_shape) != 3 or max(input_shape[1:]) <= MOST_PIXELS:
        return random_images(input_shape, network, n)
    scale = MOST_PIXELS / max(input_shape[1:])
    small = [input_shape[0], *(max(1, round(side * scale)) for side in input_shape[1:])]
    images, large = random_images(small, network, n), random_images(input_shape, network, 1)
    with torch.no_grad():
        try:
            accepted = network(images).shape[1:] == network(large).shape[1:]
        except Exception:
            accepted = False
    return images if accepted else large


def _examine(dense: nn.Module, removed: Removed, images: Tensor, example: Tensor) -> Flaw | tuple[str, ...]:
    """What is wrong with removing some filters; if nothing is, the other layers that lose outputs."""
    names = _list(removed)
    try:
        return _examined(dense, removed, images, prune(dense, removed, example))
    except Unobservable as error:
        return Flaw(
            "model.network must be one that can be watched while it runs", f"without filters of {names} {error}"
        )
    except ValueError as error:
        rule, _, problem = str(error).partition("; ")
        return Flaw(rule, problem)


class Unobservable(Exception):
    """The dense network cannot be run as `observe` does."""


def _observe(dense: nn.Module, removed: Removed, images: Tensor, noisy: Sequence[str] = ()) -> Observation:
    try:
        return observe(dense, removed, images, noisy)
    except Exception as error:
        raise Unobservable(f"a batch of {COPIES * len(images)} images raises {brief(error)}") from error


def _examined(dense: nn.Module, removed: Removed, images: Tensor, pruned: nn.Module) -> Flaw | tuple[str, ...]:
    coupled = _lost_outputs(dense, pruned, *removed)
    seen = _observe(dense, removed, images)
    if coupled or _wrong_logits(pruned, seen, images, removed) is not None:
        # where a filter is closed, or an activation full, a perturbation may not show; among more images it does
        images = random_images(images.shape[1:], dense, n=MORE_IMAGES if len(images) > 1 else IMAGES)
        seen = _observe(dense, removed, images)
    return (
        _wrong_meeting(dense, removed, images, pruned, seen, coupled)
        or _wrong_rows(dense, pruned, removed)
        or _wrong_logits(pruned, seen, images, removed)
        or _wrong_parameters(dense, pruned, removed)
        or coupled
    )


def _wrong_meeting(
    dense: nn.Module,
    removed: Removed,
    images: Tensor,
    pruned: nn.Module,
    seen: Observation,
    coupled: tuple[str, ...],
) -> Flaw | None:
    """(b), and whatever makes a reference impossible: removed filters that meet what stays."""
    names = _list(removed)
    if seen.silent:
        return Flaw(
            "pruning.ratio must name layers that the network's forward calls as modules", f"it does not call {names}"
        )
    if seen.unwatched is not None:
        return Flaw(
            "pruning.ratio must name layers whose outputs have the batch as their first dimension",
            f"{seen.unwatched}'s has not",
        )
    if seen.reaches_output:
        return _wrong_end(pruned, seen, images, names)
    gates = [name for name in coupled if name not in seen.passed]
    if seen.conflict is None and gates:
        noisy = _observe(dense, removed, images, gates)
        if not _same_stillness(seen, noisy):
            return _tied(names, coupled)
    if seen.conflict is None:
        return None
    if coupled:
        return _tied(names, coupled)
    return Flaw(
        "pruning.ratio must name layers whose filters stay apart until weights mix them",
        f"in {seen.conflict or 'the network'} an element holds both a filter of {names} that goes and something that "
        "stays (c)",
    )


def _tied(names: str, coupled: tuple[str, ...]) -> Flaw:
    return Flaw(
        "pruning.ratio must name layers that can lose filters alone",
        f"those of {names} are coupled with those of {_list(coupled)} (b)",
        coupled,
    )


def _same_stillness(one: Observation, other: Observation) -> bool:
    """Whether removed filters, while silent, silence what others give to their elements: gates, not summands."""
    return len(one.stillness) == len(other.stillness) and not any(
        bool((here != there).any()) or bool(differ(still, noisy).any())
        for (here, still), (there, noisy) in zip(one.stillness, other.stillness, strict=True)
    )


def _wrong_end(pruned: nn.Module, seen: Observation, images: Tensor, names: str) -> Flaw:
    """Removed filters that no weights have mixed until the end."""
    try:
        with torch.no_grad():
            shorter = pruned.eval()(images).shape != seen.logits.shape
    except Exception:
        shorter = False
    if shorter:
        return Flaw("pruning.ratio must not name the layer whose outputs are the classes", f"got {names}")
    return Flaw(
        "pruning.ratio must name layers whose outputs go to convolutions, linear layers or attention",
        f"those of {names} go to the end of the network without being seen by one, as where a matrix product applies "
        "weights (c)",
    )


def _wrong_parameters(dense: nn.Module, pruned: nn.Module, removed: Removed) -> Flaw | None:
    """(d): Parameters are trained or frozen, and shared, as before."""
    before = dict(dense.named_parameters(remove_duplicate=False))
    after = dict(pruned.named_parameters(remove_duplicate=False))
    for name, parameter in after.items():
        if parameter.requires_grad != before[name].requires_grad:
            return Flaw(
                "pruning.ratio must name layers whose removal leaves parameters trained or frozen as they are",
                f"without filters of {_list(removed)}, {name} is not (d)",
            )
    homes: dict[int, str] = {}
    for name, parameter in before.items():
        first = homes.setdefault(id(parameter), name)
        if after[first] is not after[name]:
            return Flaw(
                "pruning.ratio must not name layers whose removal parts shared weights",
                f"without filters of {_list(removed)}, {name} and {first} would be trained apart (d)",
            )
    return None


def _wrong_training(dense: nn.Module, removed: Removed, images: Tensor, example: Tensor) -> Flaw | None:
    """(d): In training mode, too, the pruned network runs, and the same parameters get gradients."""
    images = images if len(images) > 1 else images.expand(2, *images.shape[1:])
    pruned = prune(dense, removed, example)
    state = copy.deepcopy(dense.state_dict())
    try:
        expected = _trained(dense, images)
        found = _trained(pruned, images)
    except Exception as error:
        return Flaw(
            "pruning.ratio must name layers that the network's forward lets lose filters",
            f"without filters of {_list(removed)}, in training it raises {brief(error)} (d)",
        )
    finally:
        dense.eval().load_state_dict(state)
        dense.zero_grad(set_to_none=True)
    if found == expected:
        return None
    return Flaw(
        "model.network must be a network whose copy is trained by itself",
        f"without filters of {_list(removed)}, {min(found ^ expected)} would not be trained as in the dense network, "
        "as where a function or a hook of the network holds one of its modules (d)",
    )


def _trained(network: nn.Module, images: Tensor) -> set[str]:
    """Parameters that get a gradient from a training step's loss."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        network.train()(images).square().sum().backward()
    return {name for name, parameter in network.named_parameters() if parameter.grad is not None}


def _blame(dense: nn.Module, removed: Removed, images: Tensor, example: Tensor, flaw: Flaw) -> UnprovenError:
    """The error that names a layer which is wrong by itself, found by halving; or all of which no half is wrong."""
    while len(removed) > 1:
        names = list(removed)
        for half in (names[: len(names) // 2], names[len(names) // 2 :]):
            part = {name: removed[name] for name in half}
            found = _examine(dense, part, images, example)
            if isinstance(found, Flaw):
                removed, flaw = part, found
                break
        else:
            break
    layer = next(iter(removed)) if len(removed) == 1 else None
    return UnprovenError(f"{flaw.rule}; {flaw.problem}", layer, flaw.coupled)


def _wrong_rows(dense: nn.Module, pruned: nn.Module, removed: Removed) -> Flaw | None:
    """(a): The rows of each layer's weights that are kept, of which only columns may be missing."""
    for name, filters in removed.items():
        before, after = filter_weights(dense, name).detach(), filter_weights(pruned, name).detach()
        kept = [i for i in range(len(before)) if i not in set(filters)]
        rule = "pruning.ratio must name layers of which exactly the chosen filters go"
        if len(after) != len(kept):
            gone = len(before) - len(after)
            return Flaw(rule, f"of {name}'s {len(before)} filters {len(filters)} were to go and {gone} would (a)")
        if not _is_selection(after, before[kept]):
            return Flaw(rule, f"{name} would keep others than the combination does (a)")
        biases = [getattr(network.get_submodule(name), "bias", None) for network in (dense, pruned)]
        if isinstance(biases[0], Tensor) and not torch.equal(biases[0][kept], biases[1]):  # type: ignore[arg-type]
            return Flaw(rule, f"{name} would keep other filters' biases (a)")
    return None


def _is_selection(some: Tensor, all_: Tensor) -> bool:
    """Whether the columns of one matrix are columns of the other, in its order."""
    columns = iter(column.numpy().tobytes() for column in all_.T.contiguous().cpu())
    return all(column.numpy().tobytes() in columns for column in some.T.contiguous().cpu())


def _wrong_logits(pruned: nn.Module, seen: Observation, images: Tensor, removed: Removed) -> Flaw | None:
    """(c): The pruned network computes what the reference does."""
    count = f"{sum(map(len, removed.values()))} of {_list(removed)}"
    try:
        with torch.no_grad():
            logits = pruned.eval()(images)
    except Exception as error:
        return Flaw(
            "pruning.ratio must name layers that the network's forward lets lose filters",
            f"without {count} it raises {brief(error)} (c)",
        )
    rule = "pruning.ratio must name layers whose filters can be taken out exactly"
    if logits.shape != seen.logits.shape:
        return Flaw(rule, f"without {count} the logits have shape {list(logits.shape)} (c)")
    errors = (logits - seen.logits).abs().masked_fill(logits == seen.logits, 0)  # equal infinities
    # each class by itself: one that is masked by a huge number would hide the others
    difference = (errors.amax(0) / seen.logits.abs().amax(0).clamp(min=torch.finfo(logits.dtype).tiny)).max().item()
    if difference <= TOLERANCE:  # NaN is not
        return None
    return Flaw(
        rule,
        f"without {count} the pruned network's logits are not those of the dense network without these filters: they "
        f"differ by {difference:.1g} of a class's largest (c)",
    )


def _lost_outputs(dense: nn.Module, pruned: nn.Module, *layers: str) -> tuple[str, ...]:
    """(b): The modules besides these that have fewer outputs than in the dense network."""
    after = dict(pruned.named_modules())
    return tuple(
        name
        for name, module in dense.named_modules()
        if name not in layers
        and _parent(name) not in layers
        and (outputs := outputs_of(module)) is not None
        and outputs_of(after[name]) != outputs
    )


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


def _list(names: Sequence[str] | Removed) -> str:
    listed = list(names)
    more = len(listed) - MOST_NAMES
    return ", ".join(listed[:MOST_NAMES]) + (f" and {more} others" if more > 0 else "")


@contextmanager
def double_precision(threads: int = 1) -> Iterator[None]:
    """Tensors that are made meanwhile are float64, those that a network's `__init__` keeps to itself too.

    Args:
        threads: torch's meanwhile; beside other work more than one can be far slower.
    """
    before = torch.get_default_dtype(), torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_default_dtype(before[0])
        torch.set_num_threads(before[1])


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
            f"model.network must take an image of shape {list(images.shape[1:])}{when}; it raises {brief(error)}"
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
            f"model.network must have the same state dict before and after it has run; {brief(error)}"
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
