# SPDX-License-Identifier: Apache-2.0
"""The ways to make the server panic, and which way through the kernel each must take.

One row per injection: how it is done, which settings decide its way, what it needs, and what must be seen with stock
kdump (``stock``) and with crash_kexec_post_notifiers=1 (``post``). docs/injections.md explains the rows; the kernel
sources behind them are named in each ``source``: files of Linux 6.1, the same in 7.2 where nothing else is said.
"""

from dataclasses import dataclass, field, replace

from vkbench import errors
from vkbench.config import BenchFile
from vkbench.evidence import Expectation
from vkbench.server.scenario import Scenario

DEFAULT = "sysrq-c"
INJECT_FILE = "/sys/kernel/vkbench_panic/inject"
MARKER = "vkbench: inject "
LIVES = "vkbench: server lives"
#: A shell that echoes what is typed must not print a text that a rule looks for: the quotes split it.
SAY_LIVES = "echo 'vkbench: ser''ver lives'"

PANIC = "Kernel panic - not syncing: "
OFFSET = "Kernel Offset: "  # the first panic notifier that prints, before bcm-vk's
END = "---[ end Kernel panic"
_NULL = ("NULL pointer dereference", "Oops: ")
_PROC = "/proc/sys/"
#: A distribution's `quiet` would hide warnings.
_SPEAK = {"kernel/printk": "7 4 1 7"}


@dataclass(frozen=True)
class Injection:
    """One row. ``prepare``: shell commands that end; ``act``: the one that panics. ``settings``: below /proc/sys, or
    an absolute path. ``settle_s``: how long to look on, where no crash kernel comes.
    """

    name: str
    what: str
    stock: Expectation
    post: Expectation
    source: str
    settings: dict[str, str] = field(default_factory=dict)
    prepare: tuple[str, ...] = ()
    act: str = ""
    bmc_nmi: bool = False
    module: bool = True
    crash_image: bool = True
    arch: tuple[str, ...] = ("x86_64", "aarch64")
    needs: str = ""
    own_marker: bool = True  #: the trigger is "vkbench: inject NAME", not the bench file's panic text
    settle_s: float = 3.0

    @property
    def marker(self) -> str | None:
        """The text that triggers the analyser; None: the bench file's."""
        return MARKER + self.name if self.own_marker else None

    def expectation(self, post_notifiers: bool) -> Expectation:
        """What must be seen."""
        return self.post if post_notifiers else self.stock

    def command(self, arm_kdump: str) -> str:
        """The line that is typed and never answered; empty when the BMC acts."""
        if self.bmc_nmi:
            return ""
        return self.act.format(arm_kdump=arm_kdump) or f"(echo {self.name} > {INJECT_FILE})"

    def paths(self) -> dict[str, str]:
        """The settings with their whole paths."""
        return {
            name if name.startswith("/") else _PROC + name: value for name, value in self.settings.items()
        }


def say_marker(name: str) -> str:
    """Shell command that puts the marker onto the console by /dev/kmsg, at KERN_EMERG."""
    return f"echo '<0>vkbench: in''ject {name}' > /dev/kmsg"


def _way(
    path: str, *texts: str, never: tuple[str, ...] = (), doorbell: bool, jump: bool = True
) -> Expectation:
    return Expectation(path=path, texts=list(texts), never=list(never), doorbell=doorbell, jump=jump)


def _panic(message: str, *before: str) -> dict[str, Expectation]:
    """panic(): with stock kdump the jump comes before any notifier, else bcm-vk's rings the doorbell first."""
    texts = (*before, PANIC + message)
    return {
        "stock": _way("panic()", *texts, never=(OFFSET, END), doorbell=False),
        "post": _way("panic()", *texts, OFFSET, never=(END,), doorbell=True),
    }


def _die(message: str, *texts: str) -> dict[str, Expectation]:
    """die(): with stock kdump straight into the crash kernel, without a word of panic()."""
    return {
        "stock": _way("die", *texts, never=("Kernel panic", OFFSET), doorbell=False),
        "post": _way("die", *texts, PANIC + message, OFFSET, never=(END,), doorbell=True),
    }


def _silent() -> dict[str, Expectation]:
    """A panic in an NMI: what it prints is deferred, and the jump comes first."""
    never = ("Kernel panic", OFFSET)
    return {
        "stock": _way("nmi", never=never, doorbell=False),
        "post": _way("nmi", never=never, doorbell=True),
    }


def _no_image(message: str) -> dict[str, Expectation]:
    """panic() that finds no crash image: the notifiers run in any case, and the machine stays."""
    way = _way("panic()", PANIC + message, OFFSET, END, doorbell=True, jump=False)
    return {"stock": way, "post": way}


def _notifier(*texts: str, path: str = "loop") -> dict[str, Expectation]:
    """A broken notifier before bcm-vk's: harmless with stock kdump, else neither doorbell nor crash kernel."""
    return {
        "stock": _panic("vkbench: injected panic")["stock"],
        "post": _way(
            path, PANIC + "vkbench: injected panic", *texts, never=(OFFSET, END), doorbell=False, jump=False
        ),
    }


def _none(*texts: str) -> dict[str, Expectation]:
    way = _way("none", *texts, LIVES, never=("Kernel panic",), doorbell=False, jump=False)
    return {"stock": way, "post": way}


_HALTS = {"kernel/panic": "0"}  # a machine that rebooted would end the run's look
_X86 = ("x86_64",)

_ROWS = (
    Injection(
        "sysrq-c",
        "echo c > /proc/sysrq-trigger",
        **_panic("sysrq triggered crash"),
        source="drivers/tty/sysrq.c sysrq_handle_crash(): panic()",
        act="echo c > /proc/sysrq-trigger",
        module=False,
        own_marker=False,
    ),
    Injection(
        "no-image",
        "sysrq-c without a crash image",
        **_no_image("sysrq triggered crash"),
        source="kernel/panic.c:357, kexec_core.c:960: __crash_kexec() returns without an image",
        settings={**_HALTS, **_SPEAK},
        act=f"{say_marker('no-image')}; echo c > /proc/sysrq-trigger",
        module=False,
        crash_image=False,
    ),
    Injection(
        "panic", "panic()", **_panic("vkbench: injected panic"), source="kernel/panic.c:357", settings=_SPEAK
    ),
    Injection(
        "oops",
        "NULL dereference in a process, panic_on_oops=1",
        **_die("Fatal exception", *_NULL),
        source="arch/x86/kernel/dumpstack.c:377 oops_end(), kernel/kexec_core.c kexec_should_crash()",
        settings={"kernel/panic_on_oops": "1", **_SPEAK},
    ),
    Injection(
        "bug",
        "BUG() in a process, panic_on_oops=0: the task is killed",
        **_none("kernel BUG at", "end trace"),
        source="arch/x86/kernel/dumpstack.c:377: oops_end() ends the task",
        settings={"kernel/panic_on_oops": "0", **_SPEAK},
    ),
    Injection(
        "irq-oops",
        "NULL dereference in a hard interrupt, panic_on_oops=0",
        **_die("Fatal exception in interrupt", *_NULL),
        source="kernel/kexec_core.c kexec_should_crash(): in_interrupt()",
        settings={"kernel/panic_on_oops": "0", **_SPEAK},
    ),
    Injection(
        "stack-overflow",
        "recursion into the stack's guard page (#DF)",
        stock=_way("die", never=("stack guard page", "Kernel panic", OFFSET), doorbell=False),
        # What die() said comes out when it ends; what panic() says in there is deferred.
        post=_way("die", "stack guard page was hit", never=(END,), doorbell=True),
        source="arch/x86/kernel/traps.c handle_stack_overflow(): die() inside an NMI-like context",
        settings={"kernel/panic_on_oops": "0", **_SPEAK},
        arch=_X86,
    ),
    Injection(
        "soft-lockup",
        "endless loop with preemption off, softlockup_panic=1",
        **_panic("softlockup: hung tasks", "BUG: soft lockup - CPU#"),
        source="kernel/watchdog.c watchdog_timer_fn(): panic() in a timer",
        settings={
            "kernel/watchdog": "1",
            "kernel/watchdog_thresh": "1",
            "kernel/softlockup_panic": "1",
            **_SPEAK,
        },
    ),
    Injection(
        "hard-lockup",
        "endless loop with interrupts off, hardlockup_panic=1",
        **_silent(),
        source="kernel/watchdog_hld.c watchdog_overflow_callback(): nmi_panic()",
        settings={
            "kernel/nmi_watchdog": "1",
            "kernel/watchdog_thresh": "1",
            "kernel/hardlockup_panic": "1",
            **_SPEAK,
        },
        needs="a performance counter that raises NMIs (no emulated CPU has one)",
        arch=_X86,
    ),
    Injection(
        "hung-task",
        "uninterruptible sleep, hung_task_panic=1",
        **_panic("hung_task: blocked tasks", "blocked for more than"),
        source="kernel/hung_task.c check_hung_uninterruptible_tasks()",
        settings={"kernel/hung_task_panic": "1", "kernel/hung_task_timeout_secs": "2", **_SPEAK},
    ),
    Injection(
        "warn",
        "WARN(), panic_on_warn=1",
        **_panic("kernel: panic_on_warn set", "WARNING: "),
        source="kernel/panic.c check_panic_on_warn()",
        settings={"kernel/panic_on_warn": "1", **_SPEAK},
    ),
    Injection(
        "oom",
        "all memory taken, panic_on_oom=1",
        **_panic("Out of memory: ", "invoked oom-killer"),
        source="mm/oom_kill.c check_panic_on_oom()",
        settings={"vm/panic_on_oom": "1", **_SPEAK},
    ),
    Injection(
        "rcu-stall",
        "RCU reader that never ends, panic_on_rcu_stall=1",
        **_panic("RCU Stall", "rcu: INFO: "),
        source="kernel/rcu/tree_stall.h panic_on_rcu_stall()",
        settings={
            "kernel/panic_on_rcu_stall": "1",
            "kernel/softlockup_panic": "0",
            "/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout": "3",
            **_SPEAK,
        },
        needs="preemptible RCU, or a second CPU",
    ),
    Injection(
        "init-killed",
        "init faults where no handler helps",
        **_panic("Attempted to kill init!"),
        source="kernel/exit.c do_exit()",
        settings=_SPEAK,
    ),
    Injection(
        "notifier-panic",
        "panic() whose first notifier panics again",
        **_notifier(PANIC + "vkbench: panic in a panic notifier"),
        source="kernel/panic.c:366: the chain is called anew in each panic()",
        settings={**_HALTS, **_SPEAK},
    ),
    Injection(
        "notifier-oops",
        "panic() whose first notifier oopses, panic_on_oops=1",
        **_notifier("NULL pointer dereference"),
        source="kernel/panic.c:366, arch/x86/kernel/dumpstack.c:377: die() panics again",
        settings={"kernel/panic_on_oops": "1", **_HALTS, **_SPEAK},
    ),
    Injection(
        "notifier-spin",
        "panic() whose first notifier never ends",
        **_notifier(),
        source="kernel/panic.c:366",
        settings={**_HALTS, **_SPEAK},
    ),
    Injection(
        "kexec-race",
        "panic() while kexec -p runs",
        **_no_image("vkbench: injected panic"),
        source="kernel/kexec.c do_kexec_load(): the old image is gone, the lock taken",
        settings={**_HALTS, **_SPEAK},
        prepare=(f"echo kexec-race > {INJECT_FILE}",),
        act="{arm_kdump}",
        needs="CONFIG_KPROBES",
    ),
    Injection(
        "nmi",
        "NMI by the BMC, unknown_nmi_panic=1",
        **_silent(),
        source="arch/x86/kernel/nmi.c unknown_nmi_error(): nmi_panic()",
        settings={"kernel/unknown_nmi_panic": "1", **_SPEAK},
        bmc_nmi=True,
        module=False,
        arch=_X86,
        needs="a BMC that can raise an NMI",
    ),
    Injection(
        "mce",
        "fatal machine check by mce-inject",
        **_silent(),
        source="arch/x86/kernel/cpu/mce/core.c mce_panic(), inside an NMI-like context",
        settings=_SPEAK,
        prepare=(
            "modprobe -q mce-inject 2>/dev/null || insmod /lib/modules/mce-inject.ko",
            "[ -e /sys/kernel/debug/mce-inject ] || mount -t debugfs debugfs /sys/kernel/debug",
            "(cd /sys/kernel/debug/mce-inject && echo hw > flags && echo 0 > cpu && "
            "echo 0xb200000000000000 > status)",
        ),
        act=f"{say_marker('mce')}; echo 0 > /sys/kernel/debug/mce-inject/bank",
        module=False,
        arch=_X86,
        needs="mce-inject, and a machine that lets it write the banks",
    ),
    Injection(
        "softdog",
        "software watchdog that nobody kicks, soft_panic=1",
        **_panic("Software Watchdog Timer expired", "softdog: Initiating panic"),
        source="drivers/watchdog/softdog.c softdog_fire(): panic() in a timer",
        settings=_SPEAK,
        prepare=(
            "modprobe -q softdog soft_panic=1 soft_margin=1 2>/dev/null || "
            "{ insmod /lib/modules/watchdog.ko; insmod /lib/modules/softdog.ko soft_panic=1 soft_margin=1; }",
        ),
        act=f"{say_marker('softdog')}; d=$(grep -l 'Software Watchdog' /sys/class/watchdog/*/identity); "
        "d=${{d%/identity}}; sleep 60 3>/dev/${{d##*/}}",
        module=False,
        needs="softdog",
    ),
)
INJECTIONS = {row.name: row for row in _ROWS}


def injection_of(name: str) -> Injection:
    """The row of that name. Raises UserError."""
    if name not in INJECTIONS:
        raise errors.UserError(f"unknown injection {name!r}; allowed: {', '.join(INJECTIONS)}")
    return INJECTIONS[name]


def with_injection(scenario: Scenario, name: str, arch: str = "x86_64") -> Scenario:
    """The panic scenario with another injection. Raises UserError when there is none, or not on this architecture."""
    if scenario.kind != "panic":
        raise errors.UserError(f"{scenario.name} has no injection; only the panic scenarios have")
    row = injection_of(name)
    if arch not in row.arch:
        raise errors.UserError(
            f"injection {name} is for {', '.join(row.arch)}; this bench's server is {arch}"
        )
    if name == scenario.injection:
        return scenario
    expected = row.expectation(scenario.post_notifiers)
    return replace(
        scenario,
        title=f"{scenario.title.partition(':')[0]}, by {name} ({row.what})",
        injection=name,
        must_fail=expected.jump and not expected.doorbell,
    )


def expectation_of(scenario: Scenario) -> Expectation | None:
    """What this run must show of its panic; None: it has none."""
    if scenario.kind != "panic":
        return None
    return injection_of(scenario.injection).expectation(scenario.post_notifiers)


def marked(bench: BenchFile, scenario: Scenario) -> BenchFile:
    """The bench as this run uses it: what stands for the panic on its console is the injection's own marker."""
    marker = injection_of(scenario.injection).marker if scenario.kind == "panic" else None
    if marker is None:
        return bench
    return bench.model_copy(update={"markers": bench.markers.model_copy(update={"panic": marker})})


def markdown() -> str:
    """The table of docs/injections.md."""
    head = ("injection", "what it does", "settings", "needs", "*stock*: path, doorbell, crash kernel")
    lines = [(*head, "*post*"), ("---",) * 6]
    for row in INJECTIONS.values():
        changed = [
            f"`{path.removeprefix(_PROC).replace('/', '.') if path.startswith(_PROC) else path}={value}`"
            for path, value in row.paths().items()
            if path != f"{_PROC}kernel/printk"
        ]
        needs = [*(["module"] * row.module), *(["x86-64"] if row.arch == _X86 else []), row.needs]
        ways = [
            f"`{way.path}`, {'yes' if way.doorbell else 'no'}, {'yes' if way.jump else 'no'}"
            for way in (row.stock, row.post)
        ]
        needed = "; ".join(filter(None, needs)) or "–"
        lines.append((f"`{row.name}`", row.what, ", ".join(changed) or "–", needed, *ways))
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


if __name__ == "__main__":
    print(markdown(), end="")
