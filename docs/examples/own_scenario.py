# SPDX-License-Identifier: Apache-2.0
"""A scenario of one's own: the card's soft core hangs right before the panic. Halting is hardware, so the card must
fall silent all the same.

pytest docs/examples/own_scenario.py --bench lab.toml        (python -m pytest, from any folder)
"""

from vkbench.server.panic import PanicRun
from vkbench.server.run import run
from vkbench.server.scenario import Scenario

HUNG = Scenario(
    "panic-card-hung",
    "Panic with notifiers first, while the card's soft core hangs",
    post_notifiers=True,
    must_fail=False,
)


class HungCard(PanicRun):
    """The panic run with one step more."""

    def _arm_analyser(self) -> None:
        super()._arm_analyser()
        with self._log.step("hang the card's soft core") as note:
            analyser = self._need_analyser()
            analyser.hang()
            self._wait_for_writes(16)  # the DMA engine goes on without it, or the panic would test nothing
            note.detail = "it loops until the next card reset; the DMA engine goes on"


def test_a_card_with_a_hung_soft_core_is_silent_before_the_jump(bench, lab, run_directory):
    verdict = run(bench, HUNG, run_directory, kind=HungCard)
    assert verdict.overall == "PASS", [rule.reason for rule in verdict.rules]
