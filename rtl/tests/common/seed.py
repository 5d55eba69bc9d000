# SPDX-License-Identifier: Apache-2.0
"""Seeds of random tests: a new one each run, printed, and repeatable with VKBENCH_SEED=<number>."""

import os
import random


def seeded(name: str) -> random.Random:
    """A random generator for the test ``name``; prints the seed that repeats it."""
    text = os.environ.get("VKBENCH_SEED")
    seed = int(text, 0) if text else random.SystemRandom().randrange(1 << 32)
    print(f"{name}: VKBENCH_SEED={seed}")
    return random.Random(f"{name}:{seed}")
