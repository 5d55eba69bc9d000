# SPDX-License-Identifier: Apache-2.0
"""Makes one run: a new run directory, the steps, the verdict, the seal.

Whatever fails, the evidence so far is kept and sealed, the card is told to be silent, the server is powered off, and
the instruments are closed.
"""

from contextlib import suppress
from pathlib import Path

from vkbench import errors, interrupts
from vkbench.capture.vkc import CaptureError
from vkbench.config import BenchFile, secrecy
from vkbench.evidence import EvidenceError, RunDirectory
from vkbench.server.injections import expectation_of, marked
from vkbench.server.panic import PanicRun
from vkbench.server.record import Reporter, RunLog, Surroundings
from vkbench.server.reset import ResetRun
from vkbench.server.scenario import Scenario
from vkbench.server.steps import BenchRun, Drivers
from vkbench.verdict import Verdict, judge, write_verdict

RUNS: dict[str, type[BenchRun]] = {"panic": PanicRun, "reset": ResetRun}


def run(
    bench: BenchFile,
    scenario: Scenario,
    out: Path,
    surroundings: Surroundings | None = None,
    reporter: Reporter | None = None,
    drivers: Drivers | None = None,
    kind: type[BenchRun] | None = None,
) -> Verdict:
    """Make the run; evidence and verdict are in ``out``, sealed. Raises BenchError after sealing what there is.

    ``kind``: None for what the scenario says.
    """
    expected = expectation_of(scenario)
    secrecy.refuse(bench, [*expected.texts, *expected.never] if expected else [])
    try:
        directory = RunDirectory.create(out)
    except EvidenceError as error:
        raise errors.UserError(str(error)) from None
    bench = marked(bench, scenario)
    log = RunLog(directory, bench, scenario, surroundings or Surroundings(), reporter or Reporter())
    try:
        (kind or RUNS[scenario.kind])(
            bench, scenario, log, reporter or Reporter(), drivers or Drivers()
        ).execute()
        with log.step("judge"):
            pass  # the verdict must be made from a run.json that is complete, this step included
        log.finish()
        verdict = _judge(directory)
        directory.seal()
        return verdict
    except BaseException as error:
        with interrupts.held():
            if not directory.sealed:
                log.abort(error)
                with suppress(Exception):  # an aborted run has a verdict too: inconclusive, and why
                    _judge(directory)
                directory.seal()
        if isinstance(error, KeyboardInterrupt):
            raise errors.Interrupted(f"interrupted; the evidence so far is sealed in {out}") from None
        if isinstance(error, EvidenceError | CaptureError):
            raise errors.BenchError(str(error)) from error
        raise


def _judge(directory: RunDirectory) -> Verdict:
    verdict = judge(directory.path)
    write_verdict(directory, verdict)
    return verdict
