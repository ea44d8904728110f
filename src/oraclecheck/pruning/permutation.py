"""The sampled order of a combination space: a permutation of [0, size), keyed by a seed."""

import hashlib

ROUNDS = 10
"""Feistel rounds, as in FF1 (NIST SP 800-38G): four suffice for wide blocks, but blocks here may have two bits."""


def permute(value: int, size: int, seed: int) -> int:
    """Image of a value under a permutation of [0, size) keyed by the seed, any integer.

    A balanced Feistel network permutes the next even power of two; walking its cycle until the value falls below
    `size` again restricts that to a permutation of [0, size) (Black and Rogaway, "Ciphers with Arbitrary Finite
    Domains", 2002). The power is below 4 * size, so fewer than four walks are expected, whatever the value.
    """
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    while True:
        left, right = value >> half, value & mask
        for number in range(ROUNDS):
            left, right = right, left ^ _scramble(right, half, number, seed)
        value = left << half | right
        if value < size:
            return value


def _scramble(value: int, bits: int, number: int, seed: int) -> int:
    """Round function of the Feistel network: the leading `bits` bits of SHAKE-256 over "seed/number/" and the value.

    Whoever changes it, or `ROUNDS`, renumbers the combinations of every sampled study there is.
    """
    length = (bits + 7) // 8
    message = f"{seed}/{number}/".encode() + value.to_bytes(length, "big")
    return int.from_bytes(hashlib.shake_256(message).digest(length), "big") >> (8 * length - bits)
