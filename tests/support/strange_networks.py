"""Small networks whose pruning torch-pruning gets wrong, or that only look as if it did; 8x8 images, 3 classes."""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu
from torchvision.ops import SqueezeExcitation

CLASSES, SHAPE = 3, (1, 8, 8)


def head(width: int) -> nn.Sequential:
    """Features to logits."""
    conv, classifier = nn.Conv2d(width, 5, 3), nn.Linear(5, CLASSES)
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), classifier)


class Chain(nn.Module):
    """A pruned convolution `first`, something, and a head."""

    def __init__(self, width: int, *between: nn.Module, out: int | None = None) -> None:
        super().__init__()
        self.first, self.between, self.head = nn.Conv2d(1, width, 3), nn.Sequential(*between), head(out or width)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.between(self.first(x)))


class Tokens(nn.Module):
    """A pruned linear layer of `width` hidden units for each of 16 patches, something, and a linear head."""

    def __init__(self, width: int, *between: nn.Module, out: int | None = None) -> None:
        super().__init__()
        self.first, self.between, self.last = nn.Linear(4, width), nn.Sequential(*between), nn.Linear(out or width, 6)
        self.classifier = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        patches = x.unfold(2, 2, 2).unfold(3, 2, 2).reshape(len(x), 16, 4)
        return self.classifier(self.last(self.between(self.first(patches))).mean(1))


class Apply(nn.Module):
    """A function as a module."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Gated(nn.Module):
    """SwiGLU of two layers: the gate's unit i multiplies the value's."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.value, self.last = nn.Linear(64, 8), nn.Linear(64, 8), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return self.last(nn.functional.silu(self.gate(x)) * self.value(x))


class GLU(nn.Module):
    """One layer's output in two halves, one the other's gate."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(64, 16), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.first(x.flatten(1)).chunk(2, dim=1)
        return self.last(value * torch.sigmoid(gate))


class FusedAttention(nn.Module):
    """One layer for queries, keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out, self.classifier = nn.Linear(4, 24), nn.Linear(8, 4), nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        patches = x.reshape(len(x), 16, 4)
        q, k, v = self.qkv(patches).chunk(3, dim=2)
        return self.classifier(self.out((q @ k.transpose(1, 2)).softmax(2) @ v).mean(1))


class Tied(nn.Module):
    """A sum of `first` and another layer's output."""

    def __init__(self, first: nn.Module, other: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.first, self.other, self.classifier = first, other, classifier

    def forward(self, x: Tensor) -> Tensor:
        one, two = self.first(x), self.other(x)
        return self.classifier(relu(one + two))


class OneDimensional(nn.Module):
    """A sum of a linear layer per position and a Conv1d."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.other, self.classifier = nn.Linear(8, 6), nn.Conv1d(8, 6, 1), nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        rows = x[:, 0]
        return self.classifier(relu(self.first(rows) + self.other(rows.transpose(1, 2)).transpose(1, 2)).mean(1))


class AttentionBehind(nn.Module):
    """`first` feeds an `nn.MultiheadAttention`, whose width is its input's."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.classifier = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.first(x.reshape(len(x), 16, 4))
        return self.classifier(self.attention(tokens, tokens, tokens, need_weights=False)[0].mean(1))


class Branches(nn.Module):
    """Two pruned branches, concatenated, then a parameter for each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(64, 4), nn.Linear(64, 6)
        self.scale, self.last = nn.Parameter(torch.randn(10)), nn.Linear(10, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return self.last(torch.cat([self.left(x), self.right(x)], dim=1) * self.scale)


class Maps(nn.Module):
    """Maps of different sizes, flattened and concatenated."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(1, 4, 3, stride=2), nn.Conv2d(1, 4, 3)
        self.last = nn.Linear(4 * 9 + 4 * 36, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(relu(torch.cat([self.left(x).flatten(1), self.right(x).flatten(1)], dim=1)))


class Hidden(nn.Module):
    """State that no state dict knows."""

    def __init__(self, buffer: bool) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(64, 8), nn.Linear(8, CLASSES)
        if buffer:
            self.register_buffer("mask", torch.randn(8), persistent=False)
        else:
            self.mask = torch.randn(8)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x.flatten(1)) * self.mask)


class Tuple(nn.Module):
    """A second output while it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(64, 8), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        logits = self.last(self.first(x.flatten(1)))
        return (logits, logits) if self.training else logits


class Untraceable(nn.Module):
    """Its layer is called where autograd does not look."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.classifier = nn.Conv2d(1, 4, 1), nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.first(x)
        return self.classifier(x.mean((2, 3)))


class Views(nn.Module):
    """Its forward knows how many channels there are."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.classifier = nn.Conv2d(1, 4, 1), nn.Conv2d(4, 6, 1), nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(x))
        return self.classifier(x.view(len(x), 6, -1).mean(2))


class ConstantSum(nn.Module):
    """Its sum's other part is a layer's output for a constant, the same for every image."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.position, self.last = nn.Linear(4, 8), nn.Linear(2, 8), nn.Linear(8, CLASSES)
        self.register_buffer("grid", torch.randn(16, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(relu(self.first(x.reshape(len(x), 16, 4)) + self.position(self.grid)).mean(1))


class Logarithm(nn.Module):
    """A sum whose one part is minus infinity where a removed filter is silent."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.other, self.last = nn.Linear(64, 6), nn.Linear(64, 6), nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return self.last(self.first(x).square().log() + self.other(x))


class Masked(nn.Module):
    """A class that is masked by a huge number, and channels that torch-pruning takes from the wrong places."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(1, 4, 3), nn.Linear(144, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        logits = self.last(relu(self.first(x)).permute(0, 2, 3, 1).flatten(1))
        return logits + torch.tensor([0.0, -1e10, 0.0])


class Captured(nn.Module):
    """A function that holds one of its modules, and which a copy shares with the original."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(64, 8), nn.Linear(8, CLASSES)
        self.classifier = nn.Linear(CLASSES, CLASSES)
        self.end = lambda x: self.classifier(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.last(relu(self.first(x.flatten(1)))))


class Shared(nn.Module):
    """Two layers with one weight, both behind `first`."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.one, self.two = nn.Linear(64, 8), nn.Linear(8, CLASSES), nn.Linear(8, CLASSES)
        self.two.weight = self.one.weight

    def forward(self, x: Tensor) -> Tensor:
        x = relu(self.first(x.flatten(1)))
        return self.one(x) + self.two(x**2)


class FixedDropout(nn.Module):
    """Knows how many channels there are only while it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(64, 8), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x.flatten(1))
        return self.last(x * torch.rand(8).round() if self.training else x)


class BatchSecond(nn.Module):
    """Tokens before images, as `nn.TransformerEncoderLayer` has them by default."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(relu(self.first(x.reshape(len(x), 16, 4).transpose(0, 1))).mean(0))


class ClosedSum(nn.Module):
    """A residual sum of few units, of which the other branch is often closed."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.other = nn.Linear(64, 4), nn.Sequential(nn.Linear(64, 4), nn.ReLU())
        self.last = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return self.last(self.first(x) + self.other(x))


def channels_last_norm(width: int) -> nn.Sequential:
    """A LayerNorm over the channels of a map."""
    return nn.Sequential(
        Apply(lambda x: x.permute(0, 2, 3, 1)), nn.LayerNorm(width), Apply(lambda x: x.permute(0, 3, 1, 2))
    )


def shuffle(x: Tensor) -> Tensor:
    """ShuffleNet's: channels of two groups, dealt alternately."""
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def maxout(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    return x.view(n, c // 2, 2, h, w).amax(2)


def inverted_residual(width: int) -> Chain:
    """MobileNetV2's: expansion, depthwise convolution, projection."""
    return Chain(
        width,
        nn.BatchNorm2d(width),
        nn.ReLU6(),
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU6(),
    )


def squeeze_excitation(width: int) -> Chain:
    """EfficientNet's: the same with a gate for each channel."""
    return Chain(
        width,
        nn.BatchNorm2d(width),
        nn.SiLU(),
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
        nn.BatchNorm2d(width),
        nn.SiLU(),
        SqueezeExcitation(width, 3, activation=nn.SiLU),
    )
