"""Benchmarks of language models that see, scored from files of predictions, and the paper's table of them."""
