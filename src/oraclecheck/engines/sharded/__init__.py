"""One language model trained by several GPUs of a machine, each of which holds a shard of it."""
