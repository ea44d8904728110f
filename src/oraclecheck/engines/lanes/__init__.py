"""The lanes engine: small chains of layers, trained on one core of a CPU by kernels made for their shapes."""
