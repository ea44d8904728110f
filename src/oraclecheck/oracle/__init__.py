"""Exact search of a whole space: the pruned train loss of all its combinations, or the least of them."""
