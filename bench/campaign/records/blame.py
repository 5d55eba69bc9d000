# SPDX-License-Identifier: Apache-2.0
"""Whose fault it is that a cycle died, by the error's name in run.json (docs/campaign.md, "Faults").

A bench's fault is repeated. Any other counts as it is, so in doubt it is not the bench's: what only the server's or the
card's silence shows is theirs. A look at the bench afterwards can still show that the wires were broken.
"""

from vkbench.evidence.campaign import Fault

#: By name, because run.json keeps names. Each class of bench/errors.py stands here.
_BENCH = (
    # what the bench is asked to do cannot be done as it was set up
    *("BenchError", "UserError", "FileError", "BenchFileError", "PlanError", "SecretError", "NoSuchDefect"),
    # nobody's doing on the bench, but the cycle was not made
    *("Interrupted", "Killed", "WorkerDied", "NotAsPlanned", "CampaignError", "BenchBusy"),
    *("EvidenceError", "CaptureError"),
    *("InstrumentError", "BmcUnreachable", "BmcLoginError", "BmcTimeout", "BmcNotSupported", "BmcRefused"),
    *("BmcCipherMismatch", "BmcTlsError", "BmcGone"),
    *("ConsoleUnreachable", "ConsoleDead", "ConsoleBusy", "ConsoleNotSupported", "ConsoleGarbled"),
    *("AnalyserUnreachable", "AnalyserSilent", "AnalyserGarbled", "AnalyserRefused", "AnalyserNotAsSet"),
    *("AnalyserNotDone", "AnalyserSelfTestFailed"),
    *("PowerUnreachable", "PowerSilent", "PowerGarbled", "PowerRefused"),
    *("LabError", "ToolMissing", "BuildFailed", "PortInUse"),
    "StateUnclear",  # its wires do not tell the same
)
_SERVER = (
    *("ServerError", "ServerNeverBooted", "LoginFailed", "SshFailed", "DeployFailed", "SettingNotTaken"),
    *("NotRecovered", "InjectionRefused", "CommandFailed", "KdumpNotArmed", "NoPanic", "NoCrashKernel"),
    "ConsoleTimeout",  # the line is there (ConsoleDead says when not), and the server does not speak
)
_CARD = ("DmaNotRunning",)

FAULTS: dict[str, Fault] = {
    **dict.fromkeys(_BENCH, "bench"),
    **dict.fromkeys(_SERVER, "server"),
    **dict.fromkeys(_CARD, "card"),
}
#: Ended from outside: says nothing about the bench's health.
STOPPED = ("Interrupted", "Killed")


def fault_of(error: str) -> Fault:
    """Whose fault. A name that is not known is of a mistake in this program, which is part of the bench."""
    return FAULTS.get(error, "bench")
