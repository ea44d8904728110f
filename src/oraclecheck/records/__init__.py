"""Records: what every run leaves, on disk and in W&B."""
