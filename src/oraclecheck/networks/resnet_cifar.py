"""Residual networks for 32x32 images (He et al., arXiv 1512.03385, Sec. 4.2 for the basic ones)."""

from torch import Tensor, nn
from torch.nn.functional import pad, relu
from torchvision.models.resnet import Bottleneck, ResNet


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut without parameters (option A).

    Where the block halves the resolution, the shortcut takes every second row and column; where it widens, it pads
    with zero channels, half of them on either side.
    """

    def __init__(self, channels: int, filters: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.stride = stride
        self.padding = (filters - channels) // 2

    def forward(self, x: Tensor) -> Tensor:
        """Activations of shape (n, filters, height / stride, width / stride)."""
        y = relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        if self.padding:
            x = pad(x, (0, 0, 0, 0, self.padding, self.padding))
        return relu(x + y)


class ResNetCIFAR(nn.Module):
    """Three stages of basic blocks with 16, 32 and 64 filters; ResNet56 has nine blocks a stage.

    Weights of convolutions and of the classifier start Kaiming-normal.

    Args:
        depth: 6 n + 2 for n blocks a stage.
        classes: Number of classes.
        width: Filters of the first stage.
    """

    def __init__(self, depth: int = 56, classes: int = 10, width: int = 16) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ValueError(f"depth must be 6 n + 2, such as 20 or 56; got {depth}")
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _stage(width, width, depth // 6, stride=1)
        self.layer2 = _stage(width, 2 * width, depth // 6, stride=2)
        self.layer3 = _stage(2 * width, 4 * width, depth // 6, stride=2)
        self.fc = nn.Linear(4 * width, classes)
        self.initialise()

    def initialise(self) -> None:
        """Draw the weights of a fresh start; see `initialisation`."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (n, classes) for images of shape (n, 3, height, width)."""
        x = relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


def _stage(channels: int, filters: int, blocks: int, stride: int) -> nn.Sequential:
    first = BasicBlock(channels, filters, stride)
    return nn.Sequential(first, *(BasicBlock(filters, filters, 1) for _ in range(blocks - 1)))


def resnet50_cifar(classes: int = 100) -> ResNet:
    """ResNet50 as in torchvision, with a stem for 32x32 images: a 3x3 convolution of stride 1 and no max-pooling."""
    network = ResNet(Bottleneck, [3, 4, 6, 3], num_classes=classes)
    network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")  # as torchvision does
    network.maxpool = nn.Identity()
    return network
