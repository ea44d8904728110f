"""LeNet5-Mini and its wider and deeper variants (Feng et al., arXiv 2412.00143, Sec. 4.1)."""

from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu


class LeNet5Mini(nn.Module):
    """Three convolutions and a stack of 10-unit linear layers for 1x32x32 images.

    Max-pooling comes before ReLU, which gives the same values and gradients as the paper's order, bit for bit, because
    both are monotone; it is faster because ReLU then sees a quarter of the activations.

    Args:
        conv1_filters: Filters of the first convolution: 10, or 20, 30, 40 for the variants w20, w30, w40.
        extra_linears: Linear(10, 10) + ReLU layers inserted before the classifier: 0, or 1, 2, 3 for d6, d7, d8.
        classes: Number of classes.
    """

    def __init__(self, conv1_filters: int = 10, extra_linears: int = 0, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, conv1_filters, 5)
        self.conv2 = nn.Conv2d(conv1_filters, 10, 5)
        self.conv3 = nn.Conv2d(10, 10, 5)
        self.hidden = nn.ModuleList(nn.Linear(10, 10) for _ in range(1 + extra_linears))
        self.classifier = nn.Linear(10, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (n, classes) for images of shape (n, 1, 32, 32)."""
        x = relu(max_pool2d(self.conv1(images), 2))
        x = relu(max_pool2d(self.conv2(x), 2))
        x = relu(self.conv3(x)).flatten(1)
        for linear in self.hidden:
            x = relu(linear(x))
        return self.classifier(x)
