# SPDX-License-Identifier: Apache-2.0
"""Arming the crash kernel on Debian, RHEL and SUSE: hook, switches and sizes read back, everything put back.

The server is a folder and this machine's shell: the paths of a command are moved below the folder, and the
distribution's programs are scripts that do what matters here. The real Debian is driven in host_tests/test_distro.py.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from vkbench import errors
from vkbench.config import parse
from vkbench.server.crash_shell import crash_shell
from vkbench.server.distributions import DISTRIBUTIONS, HOOK
from vkbench.server.kdump import CRASH_LOADED, POST_NOTIFIERS, Kdump, how_loaded, size_of
from vkbench.server.settings import Settings

VIRTUAL = Path(__file__).resolve().parents[2] / "fixtures/benches/virtual.toml"
PLACES = re.compile(r"(?<![\w.])/(etc|usr/local/lib|sys|proc|boot|var/crash)\b")
LOAD = 'echo 1 > "$R/sys/kernel/kexec_crash_loaded"; echo load >> "$R/log"'
UNITS = "cat $R/etc/systemd/system/$4.d/*.conf 2>/dev/null; true"
TOOLS = {
    "systemctl": f'case $1 in is-active) cat "$R/active";; show) {UNITS};; restart) {LOAD};; esac; echo "systemctl $*" >> "$R/log"',
    "kdump-config": 'case $1 in unload) echo 0 > "$R/sys/kernel/kexec_crash_loaded";;\n'
    'load) . "$R/etc/default/kdump-tools"; echo "/sbin/kexec -p $KDUMP_KEXEC_ARGS --initrd=x y" > "$R/kexec_cmd"\n'
    f'[ -e "$R/refuse" ] && {{ echo "failed to load kdump kernel"; exit 1; }}; {LOAD};;\n'
    'status) echo "current state   : ready to kdump";;\n'
    'show) echo "kexec command:"; echo "  $(cat "$R/kexec_cmd")";; esac',
    "kdumpctl": f'case $1 in restart) {LOAD};; status) echo "kdump: Kdump is operational";; esac',
    "mkdumprd": 'echo "mkdumprd $*" >> "$R/log"',
    "update-grub": 'cat "$R"/etc/default/grub.d/*.cfg > "$R/boot/grub/grub.cfg" 2>/dev/null; echo update-grub >> "$R/log"',
    "vkpeek": "true",
    "restorecon": "true",
    "sync": "true",
}
FILES = {
    "proc/cmdline": "root=/dev/sda1 console=ttyS0,115200 crashkernel=256M\n",
    "sys/kernel/kexec_crash_size": "268435456\n",
    "sys/kernel/kexec_crash_loaded": "1\n",
    "sys/module/kernel/parameters/crash_kexec_post_notifiers": "N\n",
    "etc/default/kdump-tools": 'USE_KDUMP=1\n#KDUMP_KEXEC_ARGS=""\n',
    "etc/sysconfig/kdump": 'KEXEC_ARGS="-s"\nKEXEC_OPTIONS=""\nKDUMP_PRESCRIPT=""\nKDUMP_REQUIRED_PROGRAMS="ls"\n',
    "etc/kdump.conf": "path /var/crash\ncore_collector makedumpfile -l\n",
    "etc/default/grub.d/kdump-tools.cfg": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet crashkernel=256M"\n',
    "boot/grub/grub.cfg": "linux crashkernel=256M\n",
    "kexec_cmd": "/sbin/kexec -p --initrd=x y\n",
    "active": "active\n",
}


class Host:
    """The folder, its shell, and what was changed on it."""

    def __init__(self, root, style, **more):
        self.root = root
        for name, text in FILES.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        (root / "bin").mkdir()
        for name, text in TOOLS.items():
            (root / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
            (root / "bin" / name).chmod(0o755)
        keys = "".join(f'{key} = "{value}"\n' for key, value in more.items())
        text = VIRTUAL.read_text().replace("[bmc]", f'[server.kdump]\nstyle = "{style}"\n{keys}\n[bmc]')
        self.bench = parse(text.encode(), root / "bench.toml")
        self.settings = Settings(self.run)
        self.kdump = Kdump(self.bench, self.run, self.settings)
        self.before = self.files()

    def run(self, command, timeout=60):
        environment = {**os.environ, "PATH": f"{self.root}/bin:/usr/bin:/bin", "R": str(self.root)}
        moved = PLACES.sub(lambda found: f"{self.root}{found[0]}", command)
        done = subprocess.run(
            ["sh", "-c", moved], capture_output=True, text=True, env=environment, check=False
        )
        if done.returncode:
            raise errors.CommandFailed(f"'{command}' ended with {done.returncode}: {done.stdout}", "server")
        return done.stdout.rstrip("\n")

    def text(self, name):
        return (self.root / name.lstrip("/")).read_text()

    def files(self):
        places = ("etc", "usr", "boot")
        return {
            path: path.read_bytes()
            for one in places
            for path in (self.root / one).rglob("*")
            if path.is_file()
        }

    def log(self):
        return (self.root / "log").read_text() if (self.root / "log").exists() else ""


@pytest.fixture
def debian(tmp_path):
    return Host(tmp_path, "debian")


# ---- Debian --------------------------------------------------------------------------------------------------------------


def test_debian_is_armed_with_the_hook_in_front_of_both_dumps(debian):
    armed = debian.kdump.arm(True)
    assert debian.text(POST_NOTIFIERS) == "Y\n" and armed.post_notifiers == "Y"
    assert (armed.crashkernel, armed.crash_size) == ("256M", 256 << 20)
    assert armed.service == "kdump-tools.service active; current state   : ready to kdump"
    script = debian.text(HOOK)
    assert (
        debian.bench.markers.crash_ready in script and "PS1='vkbench-crash# '" in script and "@" not in script
    )
    assert (debian.root / HOOK.lstrip("/")).stat().st_mode & 0o111
    for unit in ("kdump-tools.service", "kdump-tools-dump.service"):
        assert f"ExecStartPre={HOOK}" in debian.text(f"etc/systemd/system/{unit}.d/vkbench.conf")
    assert len(armed.hook) == 3 and debian.log().count("daemon-reload") == 2


def test_debian_loads_by_kexec_load_so_that_purgatory_speaks(debian):
    armed = debian.kdump.arm(False)
    assert "-c --console-serial" in armed.kexec_command and armed.loaded_by == "kexec_load"
    assert "I'm in purgatory" in armed.jump and armed.jump in armed.sentence()
    assert debian.log().count("load\n") >= 1


def test_everything_is_put_back_as_it_was(debian):
    debian.kdump.arm(True)
    assert debian.files() != debian.before
    assert debian.settings.restore() == [] and debian.files() == debian.before
    assert debian.text(POST_NOTIFIERS) == "0\n" or debian.text(POST_NOTIFIERS) == "N\n"


def test_a_second_arming_changes_and_loads_nothing(debian):
    debian.kdump.arm(False)
    (debian.root / "log").write_text("")
    changed = len(debian.settings.changed)
    debian.kdump.arm(False)
    assert "load\n" not in debian.log() and len(debian.settings.changed) == changed


def test_under_secure_boot_the_distributions_way_stays_and_the_note_says_so(debian):
    (debian.root / "sys/kernel/security").mkdir(parents=True)
    (debian.root / "sys/kernel/security/lockdown").write_text("none [integrity] confidentiality\n")
    (debian.root / "kexec_cmd").write_text("/sbin/kexec -p -s --initrd=x y\n")
    armed = debian.kdump.arm(False)
    assert armed.loaded_by == "kexec_file_load" and "no text marks the jump" in armed.jump
    assert any("Secure Boot" in note for note in armed.notes)


def test_a_watchdog_is_named_because_nobody_kicks_it_in_the_crash_kernel(debian):
    folder = debian.root / "sys/class/watchdog/watchdog0"
    folder.mkdir(parents=True)
    for name, text in {"identity": "iTCO_wdt", "state": "active", "timeout": "30"}.items():
        (folder / name).write_text(text + "\n")
    assert (
        "a watchdog that runs resets a slow crash kernel: iTCO_wdt active, 30 s"
        in debian.kdump.arm(False).notes
    )


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("sys/kernel/kexec_crash_size", "0\n", "no memory is reserved.*update-grub"),
        ("active", "inactive\n", "kdump-tools.service is inactive, not active"),
        ("refuse", "", "cannot be loaded: .*failed to load kdump kernel"),
        ("bin/vkpeek", None, "the server has no vkpeek"),
        ("etc/default/kdump-tools", None, "kdump-tools does not exist.*installed"),
        ("sys/module/kernel/parameters/crash_kexec_post_notifiers", None, "cannot be read"),
    ],
)
def test_what_is_missing_on_the_server_is_named(debian, name, content, says):
    if content is None:
        (debian.root / name).unlink()
    else:
        (debian.root / name).write_text(content)
    with pytest.raises(errors.KdumpNotArmed, match=f"(?s){says}"):
        debian.kdump.arm(True)


def test_a_crash_kernel_that_is_not_loaded_in_the_end_is_named(debian):
    (debian.root / "bin/kdump-config").write_text("#!/bin/sh\n")
    (debian.root / "sys/kernel/kexec_crash_loaded").write_text("0\n")
    with pytest.raises(errors.KdumpNotArmed, match="kexec_crash_loaded reads '0', not 1"):
        debian.kdump.arm(True)


def test_another_crashkernel_than_the_bench_file_wants_is_named_with_how_to_change_it(tmp_path):
    host = Host(tmp_path, "debian", crashkernel="512M")
    with pytest.raises(errors.KdumpNotArmed, match="crashkernel=256M .*wants 512M.*update-grub, and reboot"):
        host.kdump.arm(True)


def test_the_same_size_in_other_words_is_good(tmp_path):
    assert Host(tmp_path, "debian", crashkernel="262144K").kdump.arm(False).crash_size == 256 << 20


def test_crashkernel_is_changed_through_grub_and_put_back(debian):
    assert "next boot" in debian.kdump.set_crashkernel("384M")
    done = debian.run(
        ". /etc/default/grub.d/kdump-tools.cfg; . /etc/default/grub.d/zz-vkbench.cfg; "
        'echo "$GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT"'
    )
    assert done.split() == ["crashkernel=384M", "quiet"] and "384M" in debian.text("boot/grub/grub.cfg")
    assert debian.settings.restore() == [] and debian.log().count("update-grub") == 2
    assert "384M" not in debian.text("boot/grub/grub.cfg")


def test_a_crashkernel_that_would_break_the_boot_loader_is_refused(debian):
    with pytest.raises(errors.UserError, match="no value of crashkernel="):
        debian.kdump.set_crashkernel('1M" init=/bin/sh "')


# ---- RHEL and SUSE ---------------------------------------------------------------------------------------------------------


def test_rhel_gets_the_hook_into_its_initramfs(tmp_path):
    host = Host(tmp_path, "rhel")
    armed = host.kdump.arm(False)
    conf = host.text("etc/kdump.conf").splitlines()
    assert conf[:2] == FILES["etc/kdump.conf"].splitlines() and f"kdump_pre {HOOK}" in conf
    assert any(line.startswith("extra_bins ") and "vkpeek" in line for line in conf)
    assert armed.loaded_by == "kexec_load" and "-s" not in armed.kexec_command.split()
    assert "Kdump is operational" in armed.service and "load\n" in host.log()
    assert host.settings.restore() == [] and host.files() == host.before


def test_suse_gets_the_hook_into_its_initramfs(tmp_path):
    host = Host(tmp_path, "suse")
    armed = host.kdump.arm(False)
    values = host.run(
        '. /etc/sysconfig/kdump; echo "$KDUMP_PRESCRIPT:$KDUMP_REQUIRED_PROGRAMS:$KEXEC_OPTIONS"'
    )
    assert values.startswith(f"{HOOK}:ls {HOOK} ") and values.endswith(":-c --console-serial")
    assert armed.loaded_by == "kexec_load" and "mkdumprd -f" in host.log()
    assert host.settings.restore() == [] and host.files() == host.before


@pytest.mark.parametrize(
    ("style", "file", "line"),
    [
        ("rhel", "etc/kdump.conf", "kdump_pre /usr/bin/theirs\n"),
        ("suse", "etc/sysconfig/kdump", 'KDUMP_PRESCRIPT="/usr/bin/theirs"\n'),
    ],
)
def test_a_hook_of_somebody_elses_is_not_replaced(tmp_path, style, file, line):
    host = Host(tmp_path, style)
    with (tmp_path / file).open("a") as text:
        text.write(line)
    with pytest.raises(errors.KdumpNotArmed, match="hook of somebody else's.*theirs"):
        host.kdump.arm(False)


@pytest.mark.parametrize("style", ["rhel", "suse", "command"])
def test_elsewhere_crashkernel_is_a_persons_business(tmp_path, style):
    with pytest.raises(errors.KdumpNotArmed, match="not changed by the bench here.*reboot"):
        Host(tmp_path, style).kdump.set_crashkernel("512M")


# ---- all -------------------------------------------------------------------------------------------------------------------


def test_a_command_arms_and_the_kernel_is_asked(tmp_path):
    host = Host(tmp_path, "command")
    (tmp_path / "bin/vk-arm-kdump").write_text('#!/bin/sh\necho "loaded by vk-arm-kdump $*"\n')
    (tmp_path / "bin/vk-arm-kdump").chmod(0o755)
    armed = host.kdump.arm(True, {"/proc/cmdline": "x"})
    assert armed.said == "loaded by vk-arm-kdump loglevel=6" and host.text("proc/cmdline") == "x\n"
    (tmp_path / CRASH_LOADED.lstrip("/")).write_text("0\n")
    with pytest.raises(errors.KdumpNotArmed, match="reads '0', not 1; the command said: loaded by"):
        host.kdump.arm(True)


@pytest.mark.parametrize(
    ("command", "arch", "call", "jump"),
    [
        ("kexec -p -c --console-serial x", "x86_64", "kexec_load", "purgatory's"),
        ("kexec -p -c x", "x86_64", "kexec_load", "no text"),
        ("kexec -p -s x", "x86_64", "kexec_file_load", "no text"),
        ("kexec -p x", "x86_64", "kexec_file_load, or kexec_load where the kernel has no other", "no text"),
        ("kexec -p -c x", "aarch64", "kexec_load", "kernel's own"),
    ],
)
def test_how_it_was_loaded_decides_what_marks_the_jump(command, arch, call, jump):
    found, says = how_loaded(command, arch, "I'm in purgatory")
    assert found == call and jump in says


def test_sizes_are_read_as_the_kernel_reads_them():
    assert [size_of(text) for text in ("256M", "1G@16M", "4096", "1G-4G:128M", "auto")] == [
        256 << 20,
        1 << 30,
        4096,
        None,
        None,
    ]


def test_the_hook_does_nothing_without_a_vmcore(tmp_path):
    script = tmp_path / "hook"
    script.write_text(crash_shell("READY", "P# ", 5))
    done = subprocess.run(["sh", script], capture_output=True, text=True, check=False, timeout=10)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_hook_opens_a_shell_and_goes_on_after_exit(tmp_path):
    """Its paths moved: a pty is the console."""
    ours, theirs = os.openpty()
    (tmp_path / "vmcore").write_text("x")
    text = crash_shell("vkbench: it's ready", "crash# ", 60)
    for old, new in {
        "/proc/vmcore": str(tmp_path / "vmcore"),
        "/run/vkbench-crash-shell": str(tmp_path / "once"),
        "/sys/class/tty/console/active": str(tmp_path / "none"),
        "/run/systemd/system": str(tmp_path / "none"),
        "tty=/dev/console": f"tty={os.ttyname(theirs)}",
    }.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "hook").write_text(text)
    process = subprocess.Popen(["sh", tmp_path / "hook"], stdin=subprocess.DEVNULL)
    seen = b""

    def until(wanted):
        nonlocal seen
        while wanted not in seen:
            data = os.read(ours, 4096)
            assert data
            seen += data
        seen = seen.partition(wanted)[2]

    try:
        until(b"vkbench: it's ready")
        until(b"crash# ")
        os.write(ours, b"echo $((6*7)); tty\n")
        until(b"42")
        until(os.ttyname(theirs).encode())
        os.write(ours, b"exit\n")
        until(b"vkbench: the dump goes on")
        assert process.wait(10) == 0
        assert subprocess.run(["sh", tmp_path / "hook"], timeout=10, check=False).returncode == 0, "only once"
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def test_kdump_is_what_the_server_arms_with():
    assert DISTRIBUTIONS.keys() == {"debian", "rhel", "suse"}
