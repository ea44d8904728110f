"""Vision transformers (Dosovitskiy et al., arXiv 2010.11929) whose attention heads can go."""

from torchvision.models import vision_transformer

from oraclecheck.networks.attention import SelfAttention


class VisionTransformer(vision_transformer.VisionTransformer):
    """Torchvision's vision transformer with `SelfAttention`; the defaults are ViT-B/16's.

    Torchvision's state dicts fit it and give the same outputs.
    """

    def __init__(
        self,
        image_size: int = 224,
        patch_size: int = 16,
        num_layers: int = 12,
        num_heads: int = 12,
        hidden_dim: int = 768,
        mlp_dim: int = 3072,
        classes: int = 1000,
    ) -> None:
        super().__init__(image_size, patch_size, num_layers, num_heads, hidden_dim, mlp_dim, num_classes=classes)
        for block in self.encoder.layers:
            block.self_attention = SelfAttention(hidden_dim, num_heads)
        self.num_heads = num_heads
