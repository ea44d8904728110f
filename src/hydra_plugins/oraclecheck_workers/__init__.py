"""What oraclecheck adds to Hydra, where Hydra looks for it: a sweeper that starts workers, and their launchers."""
