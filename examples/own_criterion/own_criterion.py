"""A criterion of your own: how much of each filter's weights would be left if only the largest counted."""


def peak(network, data):
    """Layer -> the largest absolute weight of each filter; the filters with the least go first."""
    weights = {name: module.weight for name, module in network.named_modules() if hasattr(module, "weight")}
    return {name: weight.detach().abs().flatten(1).amax(1) for name, weight in weights.items() if weight.ndim > 1}


def confusion(network, data):
    """The mean entropy of a pruned network's answers to 500 training images, in nats."""
    images, _ = next(data.batches(500))
    answers = network(images).detach().softmax(1)
    return -(answers * answers.clamp_min(1e-12).log()).sum(1).mean()
