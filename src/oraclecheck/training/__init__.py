"""Training and evaluation of dense and pruned networks with Lightning."""
