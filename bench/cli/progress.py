# SPDX-License-Identifier: Apache-2.0
"""Shows how far a run is: a bar with the time left on a terminal, plain lines elsewhere (CI logs)."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from vkbench.cli.common import err, say
from vkbench.evidence import Step
from vkbench.server.record import Reporter
from vkbench.server.steps import TYPICAL_S


@contextmanager
def run_progress(title: str) -> Iterator[Reporter]:
    """A reporter for one run."""
    console = err()
    if not console.is_terminal:
        yield Reporter(done=lambda step: say(f"{title}: {_line(step)}"))
        return
    columns = (
        SpinnerColumn(),
        TextColumn("[bold]{task.fields[title]}[/] {task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=sum(TYPICAL_S.values()), title=title)
        begun = 0.0  # of the typical time, when the current step began
        current = ""

        def step(name: str) -> None:
            nonlocal current
            current = name
            bar.update(task, description=name)

        def part(now: int, total: int) -> None:
            bar.update(task, completed=begun + TYPICAL_S.get(current, 0) * now / max(total, 1))

        def done(ended: Step) -> None:
            nonlocal begun
            begun += TYPICAL_S.get(ended.name, 0)
            bar.update(task, completed=begun)
            bar.console.print(f"  {_line(ended)}", markup=False, highlight=False, soft_wrap=True)

        yield Reporter(step=step, done=done, progress=part)


def _line(step: Step) -> str:
    detail = f"  {step.detail.splitlines()[-1]}" if step.detail else ""
    return f"{step.duration_s:6.1f} s  {step.name}{'' if step.ok else '  FAILED'}{detail}"
