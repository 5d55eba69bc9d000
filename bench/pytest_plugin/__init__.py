# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin: tests on a bench, from any repository (docs/pytest.md).

pytest --bench lab.toml [--bench lab2.toml -n 2] [--runs DIR] [--keep-runs failed] [--bench-wait S] [--destructive]

It is loaded into every pytest of the environment it is installed in, so at import it costs nothing: whatever is heavy
is imported by who needs it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from typing import Any

import pytest

from vkbench.pytest_plugin import benches, facts
from vkbench.pytest_plugin.command import COMMAND_TIMEOUT, Result, Vkbench
from vkbench.pytest_plugin.fixtures import (
    RUNS,
    SHARE,
    JudgedRun,
    _wires,
    altered_bench,
    analyser,
    bench,
    bench_file,
    bench_table,
    bmc,
    console,
    judged_run,
    lab,
    module_directory,
    power,
    run_directory,
    server,
    shared_run,
    vkbench,
)
from vkbench.pytest_plugin.runs import Runs

__all__ = [
    "COMMAND_TIMEOUT",
    "JudgedRun",
    "Result",
    "Vkbench",
    "_wires",
    "altered_bench",
    "analyser",
    "bench",
    "bench_file",
    "bench_table",
    "bmc",
    "console",
    "judged_run",
    "lab",
    "module_directory",
    "power",
    "run_directory",
    "server",
    "shared_run",
    "vkbench",
]

#: How long a session waits for a bench that another one has, seconds: several runs.
WAIT_S = 600.0
DEALER = pytest.StashKey[benches.Dealer]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("vkbench", "tests on a bench (vkbench)")
    group.addoption(
        "--bench",
        dest="vkbench_benches",
        action="append",
        metavar="FILE",
        help="bench file (TOML); repeatable, with -n one for each worker",
    )
    group.addoption(
        "--runs",
        dest="vkbench_runs",
        metavar="DIR",
        help="evidence, one folder a test (runs/pytest-DATE-TIME)",
    )
    group.addoption(
        "--keep-runs",
        dest="vkbench_keep",
        choices=("failed", "all"),
        default="all",
        help="of which tests the evidence is kept (all)",
    )
    group.addoption(
        "--bench-wait",
        dest="vkbench_wait",
        type=float,
        default=WAIT_S,
        metavar="SECONDS",
        help=f"how long to wait for a bench that another program has ({WAIT_S:g})",
    )
    group.addoption(
        "--destructive",
        dest="vkbench_destructive",
        action="store_true",
        help="on a real server too, run tests that may leave it other than it was",
    )


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, Any, Any]:
    benches.prepare_workers(config)
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    for text in facts.MARKERS:
        config.addinivalue_line("markers", text)
    share, dealer = benches.share_of(config)
    config.stash[SHARE] = share
    config.stash[RUNS] = Runs(share.runs, config.getoption("vkbench_keep"))
    if dealer is not None:
        config.stash[DEALER] = dealer
    if share.bench is not None or dealer is not None:
        _end_on_sigterm(config)


def _end_on_sigterm(config: pytest.Config) -> None:
    """A CI job that is cancelled gets SIGTERM: the server is powered off and the bench left as on Ctrl-C."""

    def interrupt(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, interrupt)
        config.add_cleanup(lambda: signal.signal(signal.SIGTERM, before))


def pytest_report_header(config: pytest.Config) -> list[str]:
    share = config.stash[SHARE]
    dealer = config.stash.get(DEALER, None)
    found = dealer.benches if dealer else [share.bench] if share.bench else []
    if not found:
        return []
    lines = [
        f"vkbench: bench {', '.join(f'{one.name} ({one.path})' for one in found)}; evidence in {share.runs}"
    ]
    if (
        len({frozenset(facts.facts(one)) | {one.server.arch} for one in found}) > 1
        and config.option.dist != "each"
    ):
        lines.append(
            "vkbench: these benches are not alike: what one must skip another may be able to run; "
            "--dist each runs every test on each"
        )
    return lines


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    found = config.stash[SHARE].bench
    if found is None:
        return
    for item in items:
        reason = facts.missing(item, found, config.getoption("vkbench_destructive"))
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


# ---- evidence --------------------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    runs = item.config.stash[RUNS]
    runs.test = item
    try:
        return (yield)
    finally:
        runs.leave(item)
        runs.test = None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.config.stash[RUNS].phase = "setup"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    item.config.stash[RUNS].phase = "call"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    runs = item.config.stash[RUNS]
    if call.when == "teardown":  # the last report is the one whose properties count
        runs.add_properties(item)
    report = yield
    if report.failed:
        runs.attach(item, report)
    return report


@pytest.hookimpl(trylast=True)  # behind xdist, which waits for its workers
def pytest_sessionfinish(session: pytest.Session) -> None:
    session.config.stash[RUNS].close()


# ---- several benches (pytest-xdist) ----------------------------------------------------------------------------------


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """``-n auto``: a worker for each bench."""
    return len(benches.options(config)) or None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    dealer = node.config.stash.get(DEALER, None)
    if dealer is not None:
        node.workerinput[benches.WORKER_INPUT] = dealer.deal(node.gateway.id)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    dealer = node.config.stash.get(DEALER, None)
    if dealer is not None:
        dealer.take_back(node.gateway.id)
