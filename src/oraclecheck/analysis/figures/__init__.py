"""Figures: drawn from tables of runs and of studies."""
