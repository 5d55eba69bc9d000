# SPDX-License-Identifier: Apache-2.0
"""Every error that a user of the bench can meet: what was wrong, where, and what to do.

The class's name is what ``run.json`` keeps of an aborted run, so a name is never reused for something else.
"""

from vkbench.evidence import secrets

EXIT_DONE = 0  #: PASS or done
EXIT_FAIL = 1
EXIT_INCONCLUSIVE = 2
EXIT_USER = 3  #: a mistake in the user's input
EXIT_BENCH = 4  #: the bench or an instrument


class BenchError(Exception):
    """Something that the bench cannot do. ``where`` names the wire, file or machine; ``hint`` says what to do."""

    exit_code = EXIT_BENCH

    def __init__(self, what: str, where: str = "", hint: str = "") -> None:
        what, where, hint = secrets.masked(what), secrets.masked(where), secrets.masked(hint)
        super().__init__(what, where, hint)
        self.what, self.where, self.hint = what, where, hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. {self.hint}" if self.hint else text


class UserError(BenchError):
    """A mistake in the command line or in a file that the user wrote."""

    exit_code = EXIT_USER


class FileError(UserError):
    """A file that people write cannot be used; ``problems`` has one line for each mistake."""

    def __init__(self, problems: list[str], hint: str = "") -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join([*self.problems, *([self.hint] if self.hint else [])])


class BenchFileError(FileError):
    """The bench file cannot be used."""


class PlanError(FileError):
    """The plan of a campaign cannot be used."""


class SecretError(UserError):
    """A password cannot be had from where the bench file says."""


class NoSuchDefect(UserError):
    """The card cannot show the seeded defect: it is a release build, or has none of that name."""


class Interrupted(BenchError):
    """Ctrl-C, or the process was told to end."""


# ---- instruments -----------------------------------------------------------------------------------------------------


class InstrumentError(BenchError):
    """An instrument did not do what was asked."""


class BmcUnreachable(InstrumentError):
    """Nothing answers at the BMC's address."""


class BmcLoginError(InstrumentError):
    """The BMC refuses the user or the password."""


class BmcTimeout(InstrumentError):
    """The BMC stopped answering, or the power did not change in time."""


class BmcNotSupported(InstrumentError):
    """The BMC does not know the command, or not in this state."""


class BmcRefused(InstrumentError):
    """The BMC answered with an error."""


class BmcCipherMismatch(InstrumentError):
    """The BMC does not offer the cipher suite that the bench file names."""


class BmcTlsError(InstrumentError):
    """The BMC's certificate does not prove who it is, or its TLS cannot be used."""


class BmcGone(InstrumentError):
    """The BMC answered before, and does not any more."""


class ConsoleUnreachable(InstrumentError):
    """The serial port cannot be opened."""


class ConsoleDead(InstrumentError):
    """The serial line broke."""


class ConsoleBusy(InstrumentError):
    """Another program has the console."""


class ConsoleNotSupported(InstrumentError):
    """This kind of line cannot do that (a BREAK over raw TCP)."""


class ConsoleTimeout(InstrumentError):
    """The text did not come in time."""


class ConsoleGarbled(InstrumentError):
    """Text on the console was damaged on its way, so what it says is not used."""


class AnalyserUnreachable(InstrumentError):
    """The analyser's port cannot be opened."""


class AnalyserSilent(InstrumentError):
    """The analyser did not answer in time."""


class AnalyserGarbled(InstrumentError):
    """The analyser's answer is not what SCPI allows there."""


class AnalyserRefused(InstrumentError):
    """The analyser reported an error (SYSTem:ERRor?)."""


class AnalyserNotAsSet(InstrumentError):
    """A setting read back differs from what was sent: what it would record is not what was asked."""


class AnalyserNotDone(InstrumentError):
    """The capture did not trigger, or did not fill its memory, in time."""


class AnalyserSelfTestFailed(InstrumentError):
    """The analyser did not see all the events that it injected behind its own taps."""


class PowerUnreachable(InstrumentError):
    """Nothing answers at the power supply's resource."""


class PowerSilent(InstrumentError):
    """The power supply did not answer in time."""


class PowerGarbled(InstrumentError):
    """The power supply's answer is not what SCPI allows there."""


class PowerRefused(InstrumentError):
    """The power supply reported an error (SYSTem:ERRor?), or did not switch."""


# ---- server ----------------------------------------------------------------------------------------------------------


class ServerError(BenchError):
    """The server under test did not do what was asked."""


class ServerNeverBooted(ServerError):
    """No shell prompt in time after power on."""


class LoginFailed(ServerError):
    """The server refuses the user or the password on its console."""


class SshFailed(ServerError):
    """The server cannot be used over SSH."""


class DeployFailed(ServerError):
    """A file or module cannot be brought onto the server, built there or loaded."""


class SettingNotTaken(ServerError):
    """A setting of the server reads back other than it was set, or cannot be put back."""


class NotRecovered(ServerError):
    """The server did not come back, by no step of the recovery ladder."""


class InjectionRefused(ServerError):
    """The server cannot make this panic: the injector or a switch is missing."""


class CommandFailed(ServerError):
    """A command in the server's shell ended with an error or not at all."""


class DmaNotRunning(ServerError):
    """The card does not write, so a panic would test nothing."""


class KdumpNotArmed(ServerError):
    """The crash kernel is not loaded, or the switch did not take."""


class NoPanic(ServerError):
    """The server did not panic after the injection."""


class NoCrashKernel(ServerError):
    """The server panicked and its crash kernel did not come up."""


class StateUnclear(ServerError):
    """Console, BMC and card do not tell the same of the server."""


class BenchBusy(BenchError):
    """Another program has this bench."""


# ---- the virtual bench -----------------------------------------------------------------------------------------------


class LabError(BenchError):
    """The virtual bench cannot be brought up or down."""


class ToolMissing(LabError):
    """A program or package that the virtual bench needs is not there."""


class BuildFailed(LabError):
    """A generated part of the virtual bench cannot be built."""


class PortInUse(LabError):
    """Another program has a port that the bench file names."""


# ---- campaigns -------------------------------------------------------------------------------------------------------


class CampaignError(BenchError):
    """A campaign's folder or journal cannot be used or written."""


class NotAsPlanned(BenchError):
    """A run's evidence is not of what the plan asks for."""


class WorkerDied(BenchError):
    """The process that made the runs of a bench ended, or had to be ended, in the middle of one."""
