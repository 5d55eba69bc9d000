# SPDX-License-Identifier: Apache-2.0
"""Shows how far a campaign is: a live table on a terminal, a line for each cycle elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vkbench.campaign.conduct.conductor import Conductor
from vkbench.cli import common
from vkbench.evidence.campaign import Plan

Watch = Callable[[Conductor], None]
Say = Callable[[str], None]
REFRESH_PER_S = 2


@contextmanager
def progress(plan: Plan) -> Iterator[tuple[Watch, Say]]:
    """What to call when something changed, and with lines for people."""
    console = common.err()
    if not console.is_terminal:
        yield (lambda conductor: None), _Lines()
        return
    screen = _Screen(plan)
    with Live(
        console=console, refresh_per_second=REFRESH_PER_S, transient=True, get_renderable=screen.render
    ):
        yield (
            screen.watch,
            lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True),
        )


class _Lines:
    """Lines with the time, for a log."""

    def __call__(self, text: str) -> None:
        common.say(f"{time.strftime('%H:%M:%S')} {text}")


class _Screen:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._conductor: Conductor | None = None
        self._begun = time.monotonic()
        self._before = -1  # slots that were filled when this session began

    def watch(self, conductor: Conductor) -> None:
        """Something changed."""
        self._conductor = conductor
        if self._before < 0:
            self._before = len(conductor.work.filled)
        if self._before == len(conductor.work.filled) and not conductor.work.open:
            self._begun = time.monotonic()  # what benches take to come up is no cycle's time

    def render(self) -> Group:
        """The screen as it is now."""
        if self._conductor is None:
            return Group(Text("starting"))
        work = self._conductor.work
        filled, total = len(work.filled), len(work.slots)
        head = Table.grid(padding=(0, 2))
        head.add_row(
            Text(self._plan.title, style="bold"),
            ProgressBar(total=max(total, 1), completed=filled, width=30),
            f"{filled} of {total} cycles",
            self._left(filled, total),
        )
        return Group(head, self._counts(), self._benches())

    def _left(self, filled: int, total: int) -> str:
        made = filled - self._before
        if made < 1:
            return "time left not known yet"
        seconds = (time.monotonic() - self._begun) / made * (total - filled)
        return f"{timedelta(seconds=round(seconds))} left"

    def _counts(self) -> Text:
        assert self._conductor is not None
        work = self._conductor.work
        text = Text()
        for result, style in common.STYLE_OF_RESULT.items():
            text.append(f"{work.results[result]} {result}  ", style=style)
        died = ", ".join(f"{count} by the {fault}" for fault, count in sorted(work.died.items()))
        return text.append(f"died: {died}" if died else "none died")

    def _benches(self) -> Table:
        assert self._conductor is not None
        table = Table("bench", "is", "cycle", "configuration", "step", "made")
        for bench in self._conductor.benches:
            attempt = bench.attempt
            table.add_row(
                escape(bench.name),
                bench.state,
                f"{attempt.slot}-{attempt.number}" if attempt else "",
                escape(attempt.configuration.name if attempt else ""),
                escape(bench.step or bench.gone),
                str(bench.cycles),
            )
        return table
