"""Attention whose heads can go."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention


class SelfAttention(nn.Module):
    """Multi-head self-attention, its parameters named, laid out and initialised as `nn.MultiheadAttention`'s.

    That class fixes the heads' joint width to the width of its input, so none of its heads can go; here they can.

    Args:
        width: Width of the input and the output.
        heads: Number of heads; each is `width // heads` wide.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, need_weights: bool = False) -> tuple[Tensor, None]:
        """Attention of tokens (n, tokens, width) to themselves, called as torchvision calls `nn.MultiheadAttention`."""
        assert query is key is value and not need_weights
        n, tokens, _ = query.shape
        projected = linear(query, self.in_proj_weight, self.in_proj_bias)
        queries, keys, values = projected.view(n, tokens, 3, self.heads, self.head_width).permute(2, 0, 3, 1, 4)
        attended = scaled_dot_product_attention(queries, keys, values)
        return self.out_proj(attended.transpose(1, 2).flatten(2)), None

    def head_weights(self) -> Tensor:
        """The query, key and value rows of each head, shape (heads, 3 * head width * width)."""
        return self.in_proj_weight.view(3, self.heads, -1).transpose(0, 1).flatten(1)

    def remove_heads(self, removed: Sequence[int]) -> None:
        """Remove heads with everything that they alone feed: the columns of the output projection."""
        kept = torch.tensor([head for head in range(self.heads) if head not in removed])
        columns = (kept[:, None] * self.head_width + torch.arange(self.head_width)).flatten()
        rows = (torch.arange(3)[:, None] * self.heads * self.head_width + columns).flatten()
        self.in_proj_weight = _select(self.in_proj_weight, 0, rows)
        self.in_proj_bias = _select(self.in_proj_bias, 0, rows)
        self.out_proj.weight = _select(self.out_proj.weight, 1, columns)  # type: ignore[arg-type]
        self.out_proj.in_features = len(columns)
        self.heads = len(kept)


def _select(parameter: nn.Parameter, dim: int, kept: Tensor) -> nn.Parameter:
    selected = parameter.detach().index_select(dim, kept.to(parameter.device))
    return nn.Parameter(selected, requires_grad=parameter.requires_grad)
