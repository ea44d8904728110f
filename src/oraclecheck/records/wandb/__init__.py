"""W&B: a mirror of the records, and a source of runs."""
