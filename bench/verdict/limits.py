# SPDX-License-Identifier: Apache-2.0
"""The numbers that the rules compare with: each has a unit and a source. docs/rules.md explains them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """A number, its unit, and where it comes from."""

    value: float
    unit: str
    source: str


#: From the acceptance of the halting doorbell write to the last start of a new request.
HALT_LATENCY = Limit(4, "cycles", "the endpoint's halting contract, docs/architecture.md")
#: Both ends of the halt latency are acceptance cycles at one tap point, on one clock: exact.
HALT_UNCERTAINTY = Limit(0, "cycles", "same clock and tap point")
#: Requests that may start after the jump.
REQUESTS_AFTER_JUMP = Limit(0, "requests", "the question that the bench answers")
#: Words of the DMA target that may change between two reads by the crash kernel.
WORDS_CHANGED = Limit(0, "words", "memory is frozen or it is not")
#: Purgatory prints its text a few hundred instructions after the jump; generous, for emulated CPUs.
JUMP_TO_TEXT = Limit(1e-4, "s", "kexec-tools purgatory: console set-up before its first byte")
#: A silent card tests nothing: so many DMA writes must be seen before the panic …
DMA_WRITES_BEFORE_PANIC = Limit(3, "requests", "one could be a leftover; three are a stream")
#: … the last of them no earlier before the panic text than the larger of this …
DMA_SILENCE = Limit(0.1, "s", "ten times the slowest traffic that the demo uses")
#: … and so many DMA periods.
DMA_SILENCE_PERIODS = Limit(10, "periods", "one missed period may be a busy link, ten are silence")
#: Two equal reads show frozen memory only when the card would have written between them.
MEMORY_READ_PERIODS = Limit(10, "periods", "as above")
#: Events so near to the trigger may be counted in or out by the statistics.
STATISTICS_TRIGGER_SLACK = Limit(64, "cycles", "pipeline of the analyser's trigger; generous")
