"""Combinations of removed filters and the pruning that carries them out."""
