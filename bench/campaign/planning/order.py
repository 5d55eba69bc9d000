# SPDX-License-Identifier: Apache-2.0
"""The order of a campaign's cycles: randomised blocks that follow from the plan's seed (docs/plans.md)."""

import hashlib

from vkbench.evidence.campaign import Configuration, Plan, Slot


def blocks(plan: Plan) -> int:
    """How many there are: each has every configuration in it, as far as the n of the rarest candidate or the most
    frequent control goes.
    """
    controls = [one.n for one in plan.configurations if one.role == "control"]
    candidates = [one.n for one in plan.configurations if one.role == "candidate"]
    return max([*controls, min(candidates, default=1)])


def slots(plan: Plan) -> list[Slot]:
    """Every cycle of the plan, in the order in which they are taken up."""
    count = blocks(plan)
    cells = [
        (_block(plan.seed, one, replicate, count), one.name, replicate)
        for one in plan.configurations
        for replicate in range(1, one.n + 1)
    ]
    cells.sort(key=lambda cell: (cell[0], _digest(f"{plan.seed}/{cell[0]}/{cell[1]}/{cell[2]}")))
    return [
        Slot(number=number, block=block, configuration=name, replicate=replicate)
        for number, (block, name, replicate) in enumerate(cells, 1)
    ]


def _block(seed: int, configuration: Configuration, replicate: int, count: int) -> int:
    """A configuration's cycles lie evenly over the blocks, from a place on that its name and the seed decide."""
    begin = int(_digest(f"{seed}/{configuration.name}")[:16], 16)  # of 2**64
    return ((replicate - 1 << 64) + begin) * count // (configuration.n << 64) + 1


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
