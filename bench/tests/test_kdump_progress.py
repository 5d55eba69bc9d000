# SPDX-License-Identifier: Apache-2.0
"""Crash dumps of Debian, RHEL and SUSE are followed by their own words, also through escapes and damaged bytes."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vkbench.server.kdump_progress import KdumpEvent, KdumpProgress

LINUX = b"[    0.000000] Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org)\r\n" + b"".join(
    b"[    0.%06d] pci 0000:00:%02x.0: [8086:29c0] type 00 class 0x060000\r\n" % (n * 1000, n)
    for n in range(20)
)


def copying(*percents, tail=b""):
    """print_info.c's print_progress: a carriage return before each, none after."""
    return b"".join(
        b"\r%-50s: [%5.1f %%] %c  %16s" % (b"Copying data               ", p, b"/|\\-"[n % 4], b"eta: 9s")
        for n, p in enumerate(percents)
    )


# debian/kdump-config.in with makedumpfile's words between; the prefixes are those of a journal on the console.
DEBIAN = (
    LINUX
    + b"[    3.917016] kdump-tools[301]: Starting kdump-tools:\r\n"
    + b"[    3.950000] kdump-tools[308]: running makedumpfile --dump-dmesg /proc/vmcore /var/crash/202611212000/dmesg.202611212000.\r\n"
    + b"[    3.960000] kdump-tools[330]: The dmesg log is saved to /var/crash/202611212000/dmesg.202611212000.\r\n"
    + b"[    3.961000] kdump-tools[330]: makedumpfile Completed.\r\n"
    + b"[    3.962000] kdump-tools[308]: kdump-tools: saved dmesg content in /var/crash/202611212000.\r\n"
    + b"[    3.970000] kdump-tools[308]: running makedumpfile -F -c -d 31 /proc/vmcore | compress > /var/crash/202611212000/dump-incomplete.\r\n"
    + copying(0.0, 34.2, 71.0, 100.0)
    + b"\r\n[    7.000839] kdump-tools[769]: The dumpfile is saved to STDOUT.\r\n"
    + b"[    7.003347] kdump-tools[769]: makedumpfile Completed.\r\n"
    + b"[    7.006824] kdump-tools[747]:  * kdump-tools: saved vmcore in /var/crash/202611212000.\r\n"
    + b"[    7.106824] kdump-tools[747]: Sat, 21 Nov 2026 20:00:00 +0000\r\n"
    + b"[    7.206824] reboot: Restarting system\r\n"
)
# dracut/99kdumpbase/kdump.sh
RHEL = (
    LINUX
    + b"\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mInitrd Default Target\x1b[0m.\r\n"
    + b"[    4.1] kdump[488]: noise\r\nkdump: saving to /sysroot/var/crash/127.0.0.1-2026-11-21-20:00:00/\r\n"
    + b"kdump: saving vmcore-dmesg.txt to /sysroot/var/crash/127.0.0.1-2026-11-21-20:00:00/\r\n"
    + b"kdump: saving vmcore-dmesg.txt complete\r\nkdump: saving vmcore\r\n"
    + copying(1.5, 50.0, 100.0)
    + b"\r\nThe dumpfile is saved to /sysroot/var/crash/127.0.0.1-2026-11-21-20:00:00/vmcore-incomplete.\r\n"
    + b"\r\nmakedumpfile Completed.\r\nkdump: saving vmcore complete\r\n"
    + b"kdump: saving the /run/initramfs/kexec-dmesg.log to /sysroot/var/crash/127.0.0.1-2026-11-21-20:00:00/\r\n"
    + b"kdump: Executing final action systemctl reboot -f\r\n[   20.5] systemd-shutdown[1]: Rebooting.\r\n"
    + b"[   20.624531] reboot: Restarting system\r\n"
)
# dracut/kdump-save
SUSE = (
    LINUX
    + b"Saved temporary README.txt\r\nSaved dmesg\r\n"
    + copying(10.0, 100.0)
    + b"\r\nSaved vmcore\r\nSaved final README.txt\r\n[   12.624531] reboot: Restarting system\r\n"
)
# kdumptool/savedump.cc, progress.cc
OLD_SUSE = (
    LINUX
    + b"Extracting dmesg\r\n------------------------\r\n\r\nThe dmesg log is saved to /kdump/mnt0/var/crash/2024-04-12-14:27/dmesg.txt.\r\n"
    + b"\r\nmakedumpfile Completed.\r\n------------------------\r\nSaving dump using makedumpfile\r\n---------------\r\n"
    + copying(100.0)
    + b"\r\n\r\nThe dumpfile is saved to /kdump/mnt0/var/crash/2024-04-12-14:27/vmcore.\r\n\r\nmakedumpfile Completed.\r\n"
    + b"Generating README              Finished.\r\nCopying System.map             Finished.\r\n"
    + b"[  212.624531][    T1] reboot: Restarting system\r\n"
)


def names(events):
    return [event.name for event in events if event.name != "copying"]


def follow(data, size=None):
    progress = KdumpProgress()
    size = size or len(data)
    events = []
    for at in range(0, len(data), size):
        events += progress.feed(data[at : at + size])
    return progress, events


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (DEBIAN, "/var/crash/202611212000"),
        (RHEL, "/sysroot/var/crash/127.0.0.1-2026-11-21-20:00:00/"),
        (SUSE, ""),
        (OLD_SUSE, "/kdump/mnt0/var/crash/2024-04-12-14:27/vmcore"),
    ],
    ids=["Debian", "RHEL", "SUSE", "SUSE kdumptool"],
)
@pytest.mark.parametrize("size", [1, 7, 1000, None])
def test_a_dump_that_is_saved(data, path, size):
    progress, events = follow(data, size)
    assert names(events) == ["started", "saved", "rebooting"]
    assert [event.text for event in events if event.name == "saved"] == [path]
    assert progress.percent == 100.0 and progress.stage == "rebooting"


def test_the_percents_come_as_they_are_printed():
    progress = KdumpProgress()
    progress.feed(b"kdump: saving vmcore\r\n")
    seen = [progress.feed(copying(percent)) for percent in (0.4, 0.9, 33.3, 33.9, 34.0)]
    assert [[event.percent for event in events] for events in seen] == [[0.4], [], [33.3], [], [34.0]]
    assert progress.feed(b"\rCopied 300 MB / 600 MB\r")[0].percent == 50.0
    assert progress.feed(b"\rSaving dump               |####----| 60%")[0].percent == 60.0
    assert progress.feed(copying(6.0) + copying(999.9)) == []  # a lost digit, and one too many


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b" * kdump-tools: failed to save vmcore in /var/crash/1", "failed to save vmcore"),
        (b"kdump: saving vmcore failed, exitcode:1", "exitcode:1"),
        (b"kdump: Failed to mount rootfs", "mount rootfs"),
        (b"Error: Failed saving vmcore", "Failed saving vmcore"),
        (b"[    5.123456] Kernel panic - not syncing: System is deadlocked on memory", "deadlocked"),
        (b"Entering kdump emergency mode.", "emergency"),
    ],
)
def test_a_dump_that_fails(line, reason):
    progress = KdumpProgress()
    progress.feed(b"kdump: saving vmcore\r\n")
    events = progress.feed(line + b"\r\n")
    assert names(events) == ["failed"] and reason in events[0].text
    assert names(progress.feed(b"[   20.624531] reboot: Restarting system\r\n")) == ["rebooting"]


def test_a_reboot_without_a_saved_dump_is_a_failure_with_the_last_doubt():
    _, events = follow(
        b"running makedumpfile -c -d 31 /proc/vmcore /var/crash/1/dump-incomplete.\r\nmakedumpfile Failed.\r\n"
        b"[   20.624531] reboot: Restarting system\r\n"
    )
    assert names(events) == ["started", "failed", "rebooting"]
    assert events[1].text == "makedumpfile Failed."


def test_makedumpfile_may_fail_when_its_stand_in_saves():
    _, events = follow(
        DEBIAN.replace(b"makedumpfile Completed.", b"makedumpfile Failed.").replace(
            b"[    7.006824]", b"kdump-tools: makedumpfile failed, falling back to 'cp'\r\n[    7.006824]"
        )
    )
    assert names(events) == ["started", "saved", "rebooting"]


def test_the_log_that_is_saved_first_is_not_taken_for_the_dump():
    cut = DEBIAN.index(b"running makedumpfile -F")
    assert names(follow(DEBIAN[:cut])[1]) == ["started"]
    cut = RHEL.index(b"kdump: saving vmcore\r")
    assert names(follow(RHEL[:cut])[1]) == ["started"]
    assert names(follow(b"Saved temporary README.txt\r\nSaved dmesg\r\n")[1]) == ["started"]


def test_a_panic_before_the_dump_is_none_of_its():
    assert follow(b"[  100.1] Kernel panic - not syncing: sysrq triggered crash\r\n" + LINUX)[1] == []


@pytest.mark.parametrize("data", [DEBIAN, RHEL, SUSE, OLD_SUSE], ids=["Debian", "RHEL", "SUSE", "kdumptool"])
def test_one_lost_or_garbled_byte_hides_no_stage(data):
    generator = random.Random(4)
    for at in generator.sample(range(len(LINUX), len(data)), 80):
        for damage in (b"", bytes([generator.choice(b"x~\0\x1b\xff 7")])):
            events = follow(data[:at] + damage + data[at + 1 :])[1]
            if data[at : at + 1] in b"\r\n":
                assert "failed" not in names(events)
            else:
                assert names(events) == ["started", "saved", "rebooting"], (
                    at,
                    data[at - 20 : at + 20],
                    damage,
                )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=20))
def test_no_bytes_at_all_make_it_fall_over(pieces):
    progress = KdumpProgress()
    for piece in pieces:
        assert all(isinstance(event, KdumpEvent) for event in progress.feed(piece))


def test_a_line_without_an_end_is_not_kept_for_ever():
    progress = KdumpProgress()
    for _ in range(100):
        progress.feed(b"x" * 10_000)
    assert len(progress._line) <= 4096
