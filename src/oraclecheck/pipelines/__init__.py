"""What lies between dense network and final metrics."""
