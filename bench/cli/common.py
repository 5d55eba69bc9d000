# SPDX-License-Identifier: Apache-2.0
"""What every command shares: where output goes, how errors end it, the bench file's option, the bench's provider.

Results go to stdout (a table, or JSON with --json); progress and errors go to stderr.
"""

import functools
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Annotated, Any, TypeVar

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from vkbench import errors, interrupts
from vkbench.capture.vkc import CaptureError
from vkbench.config import BenchFile, load
from vkbench.evidence import EvidenceError, secrets

BenchOption = Annotated[Path, typer.Option("--bench", help="bench file (TOML)", show_default=False)]
WaitOption = Annotated[
    float, typer.Option("--bench-wait", min=0, help="seconds to wait for a bench that another program has")
]
#: Somebody's doctor is over in that time; somebody's run is not, and is then named.
WAIT_S = 60.0
JsonOption = Annotated[bool, typer.Option("--json", help="machine-readable output on stdout")]
EXIT_OF_RESULT = {
    "PASS": errors.EXIT_DONE,
    "FAIL": errors.EXIT_FAIL,
    "INCONCLUSIVE": errors.EXIT_INCONCLUSIVE,
}
STYLE_OF_RESULT = {"PASS": "bold green", "FAIL": "bold red", "INCONCLUSIVE": "bold yellow"}
PIPE_WIDTH = 400  # characters
Command = TypeVar("Command", bound=Callable[..., Any])


def out() -> Console:
    """Where results go. A file or a pipe has no width of its own: there a table is as wide as what is in it."""
    screen = sys.stdout.isatty()
    width = None if screen else PIPE_WIDTH
    return Console(file=_guarded(sys.stdout), highlight=False, soft_wrap=not screen, width=width)


def err() -> Console:
    """Where progress and errors go."""
    return Console(file=_guarded(sys.stderr), highlight=False)


def _guarded(stream: IO[str]) -> IO[str]:
    """No password of a bench file gets out."""
    return secrets.Guarded(stream)  # type: ignore[return-value]


def say(text: str) -> None:
    """A line for the person in front of it; never wrapped, so that paths and FILE:LINE stay whole."""
    err().print(text, markup=False, soft_wrap=True)


def command(function: Command) -> Command:
    """Turns errors into one message and the right exit code; a user's mistake never shows a traceback."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with interrupts.handled(say):
            try:
                return function(*args, **kwargs)
            except errors.BenchError as error:
                say(f"vkbench: {type(error).__name__}: {error}")
                code = error.exit_code
            except (EvidenceError, CaptureError) as error:
                say(f"vkbench: {error}")
                code = errors.EXIT_USER
            except KeyboardInterrupt:
                say("vkbench: interrupted")
                code = errors.EXIT_BENCH
            except BrokenPipeError:  # `vkbench capture show FILE | head`
                sys.stdout = None  # type: ignore[assignment]
                code = errors.EXIT_DONE
            except OSError as error:
                say(f"vkbench: {error.filename or 'system'}: {error.strerror or error}")
                code = errors.EXIT_USER if error.filename else errors.EXIT_BENCH
            except (
                Exception
            ) as error:  # a mistake in this program; its traceback may hold what it worked with
                text = "".join(traceback.format_exception(error))
                if not secrets.held_by(text):
                    raise
                say(text)
                code = errors.EXIT_BENCH
        raise typer.Exit(code)

    return wrapper  # type: ignore[return-value]


def bench_file(path: Path) -> BenchFile:
    """The bench file, checked."""
    return load(path)


def provider_of(bench: BenchFile) -> Any:
    """What brings this bench's wires up; None for a real bench. Only the command line asks."""
    if bench.provider is None:
        return None
    from vkbench.virtual.lab import VirtualLab

    return VirtualLab(bench)


def need_provider(bench: BenchFile) -> Any:
    """The provider. Raises UserError for a real bench."""
    provider = provider_of(bench)
    if provider is None:
        raise errors.UserError(
            "names no provider: a real bench has no processes to bring up or down",
            str(bench.path),
            'Only a file with provider = "virtual" has',
        )
    return provider


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True)
    value, _ = secrets.cleaned(value)
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def number(value: float | None) -> str:
    """A measured value for a table."""
    if value is None:
        return "–"
    return f"{int(value)}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"


def verdict_table(title: str, verdict: Any) -> Table:
    """A verdict's rules."""
    table = Table(title=title, title_justify="left")
    for heading in ("rule", "result", "value", "limit", "uncertainty", "unit"):
        table.add_column(heading, justify="right" if heading in ("value", "limit", "uncertainty") else "left")
    for rule in verdict.rules:
        result = f"[{STYLE_OF_RESULT[rule.result]}]{rule.result}[/]"
        numbers = (number(value) for value in (rule.value, rule.limit, rule.uncertainty))
        table.add_row(rule.title, result, *numbers, rule.unit)
    return table


def overall_line(verdict: Any) -> str:
    """The verdict in one line, with markup."""
    expected = ""
    if verdict.must_fail:
        remarks = {"FAIL": ", as it must", "PASS": ", but it must FAIL: do not trust this bench"}
        expected = remarks.get(verdict.overall, ", though it must FAIL")
        if verdict.overall == "FAIL" and not verdict.as_expected:
            expected = ", but not by the rule that must, or by a panic that went astray: it controls nothing"
    return f"[{STYLE_OF_RESULT[verdict.overall]}]{verdict.overall}[/]{expected}"
