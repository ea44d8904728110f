"""Image classification data, held in memory as tensors."""
