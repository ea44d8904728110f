"""What oraclecheck is measured against: the usual way to train on MNIST, and a bare loop that does nothing else.

Each prints one JSON object. Run through bench.py.
"""

import argparse
import json
import time

import torch
from torch import nn
from torch.nn.functional import cross_entropy, max_pool2d, relu


class PrunedLeNet(nn.Module):
    """LeNet5-Mini with half of conv1's filters, as one writes it."""

    def __init__(self, pool_first: bool) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = nn.Conv2d(1, 5, 5), nn.Conv2d(5, 10, 5), nn.Conv2d(10, 10, 5)
        self.hidden, self.classifier = nn.Linear(10, 10), nn.Linear(10, 10)
        self.pool_first = pool_first

    def forward(self, x):
        for conv in (self.conv1, self.conv2):
            x = relu(max_pool2d(conv(x), 2)) if self.pool_first else max_pool2d(relu(conv(x)), 2)
        return self.classifier(relu(self.hidden(relu(self.conv3(x)).flatten(1))))


def sgd(network):
    return torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)


def usual_way(root: str, epochs: int) -> float:
    """Seconds an epoch with per-sample PIL transforms, DataLoader workers and torch's default threads."""
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    steps = [transforms.Resize((32, 32)), transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    transform = transforms.Compose(steps)
    train, test = (
        DataLoader(datasets.MNIST(root, train=part, transform=transform), 256, shuffle=part, num_workers=2)
        for part in (True, False)
    )
    network = PrunedLeNet(pool_first=False)
    optimizer = sgd(network)
    start = time.perf_counter()
    for _ in range(epochs):
        network.train()
        for images, labels in train:
            optimizer.zero_grad()
            cross_entropy(network(images), labels).backward()
            optimizer.step()
        network.eval()
        correct = 0
        with torch.no_grad():
            for images, labels in test:
                correct += (network(images).argmax(1) == labels).sum().item()
    return (time.perf_counter() - start) / epochs


def bare_loop(cache: str, epochs: int, runs: int, whole_runs: bool) -> float:
    """Seconds an epoch (or a whole run: pruned, per-epoch and final evaluations too) over tensors in memory."""
    torch.set_num_threads(1)
    data = torch.load(cache, weights_only=True)

    def normalise(images):
        images = images.float().div_(255).sub_(0.1307).div_(0.3081)
        return images.contiguous(memory_format=torch.channels_last)

    def evaluate(network, part):
        network.eval()
        total = correct = 0.0
        with torch.inference_mode():
            for x, y in zip(data[f"{part}_images"].split(500), data[f"{part}_labels"].split(500), strict=True):
                logits = network(normalise(x))
                total += cross_entropy(logits, y, reduction="sum").item()
                correct += (logits.argmax(1) == y).sum().item()
        network.train()

    images, labels = data["train_images"], data["train_labels"]
    start = time.perf_counter()
    for _ in range(runs):
        network = PrunedLeNet(pool_first=True).to(memory_format=torch.channels_last)
        optimizer = sgd(network)
        if whole_runs:
            evaluate(network, "train"), evaluate(network, "test")
        for _ in range(epochs):
            for indices in torch.randperm(len(labels)).split(256):
                loss = cross_entropy(network(normalise(images.index_select(0, indices))), labels[indices])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            evaluate(network, "test")
        if whole_runs:
            evaluate(network, "train")
    return (time.perf_counter() - start) / (1 if whole_runs else epochs * runs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=["usual", "bare", "bare-runs"])
    parser.add_argument("where")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--runs", type=int, default=1)
    given = parser.parse_args()
    if given.way == "usual":
        seconds = usual_way(given.where, given.epochs)
    else:
        seconds = bare_loop(given.where, given.epochs, given.runs, given.way == "bare-runs")
    print(json.dumps({"seconds": seconds}))
