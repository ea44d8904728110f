"""oraclecheck: does the loss right after pruning predict accuracy after retraining?"""

__version__ = "0.1.0"
