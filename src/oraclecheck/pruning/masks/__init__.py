"""Unstructured pruning: single weights are set to zero and stay there; the network keeps its shape.

A mask is a bool tensor of a weight's shape, True where the weight is removed.
"""
