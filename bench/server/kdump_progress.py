# SPDX-License-Identifier: Apache-2.0
"""How far a distribution's crash dump is, by what it prints on the console. For messages, limits and progress bars; no
verdict uses it.

The texts are those of the tools' sources:

- Debian, Ubuntu: kdump-tools, ``debian/kdump-config.in`` (kdump_save_core and its FTP, SSH and NFS kin) and
  ``debian/kdump-tools.init``.
- RHEL, Fedora: kdump-utils, ``dracut/99kdumpbase/kdump.sh`` (dump_fs, dump_ssh, dump_raw, do_final_action),
  ``monitor_dd_progress.sh`` and ``kdump-logger.sh``; before 2023 kexec-tools' ``dracut-kdump.sh``, the same texts.
- SUSE: kdump 2.x, ``dracut/kdump-save``; before, ``kdumptool/savedump.cc`` and ``progress.cc``.
- All: makedumpfile, ``print_info.c`` (print_progress) and ``makedumpfile.c``; the kernel's ``kernel/reboot.c``.

A line counts when most of a text's groups of three letters are in it: one or two lost or garbled bytes do no harm. Texts
that look alike and mean something else (the kernel log is saved before the dump) are known too, and the best fit wins.
"""

import codecs
import re
from dataclasses import dataclass
from typing import Literal

from vkbench.instruments.shell_text import clean

_PATH = r"(\S*/\S*[^\s.])"
Name = Literal["started", "copying", "saved", "failed", "rebooting"]
LINE_MAX = 4096  # characters; a longer line is looked at in parts
FIT = 0.7  # part of a text's letter groups; one lost byte takes at most three of them
PERCENT_MAX = 100.0


@dataclass(frozen=True)
class KdumpEvent:
    """Something that happened. ``percent``: of the copying; ``text``: the path for saved, the reason for failed."""

    name: Name
    percent: float | None = None
    text: str = ""


@dataclass(frozen=True)
class _Text:
    """A text of the sources. ``means``: an event, "doubt" (a reason, should nothing be saved), or None: something else."""

    text: str
    means: Name | Literal["doubt"] | None
    value: str = ""  # regular expression whose group is the event's text

    @property
    def groups(self) -> frozenset[str]:
        return _groups(self.text)


def _groups(text: str) -> frozenset[str]:
    return frozenset(text[at : at + 3] for at in range(len(text) - 2))


_TEXTS = [
    # Debian
    _Text("Starting kdump-tools:", "started"),
    _Text("running makedumpfile --dump-dmesg /proc/vmcore", "started"),
    _Text("running makedumpfile -c -d 31 /proc/vmcore", "started"),
    _Text("sending makedumpfile -c -d 31 /proc/vmcore", "started"),
    _Text("kdump-tools: saved vmcore in", "saved", _PATH),
    _Text("kdump-tools: saved vmcore via FTP in", "saved", _PATH),
    _Text("kdump-tools: failed to save vmcore in", "failed"),
    _Text("kdump-tools: failed to save vmcore via FTP", "failed"),
    _Text("makedumpfile scp failed. The vmcore file will  not be available", "failed"),
    _Text("Unable to mount remote NFS directory", "failed"),
    _Text("Unable to write to the remote NFS directory", "failed"),
    _Text("Unable to reach remote server", "failed"),
    _Text("makedumpfile failed, falling back to", "doubt"),
    _Text("kdump-tools: saved dmesg content in", None),
    _Text("kdump-tools: failed to save dmesg content in", None),
    _Text("makedumpfile --dump-dmesg failed. dmesg content will be unavailable", None),
    # RHEL
    _Text("kdump: saving to ", "started", _PATH),
    _Text("kdump: saving to raw disk", "started", _PATH),
    _Text("kdump: saving vmcore", "started"),
    _Text("kdump: saving vmcore complete", "saved"),
    _Text("kdump: saving vmcore failed", "failed"),
    _Text("kdump: sync vmcore failed, exitcode:", "failed"),
    _Text("kdump: moving vmcore failed, exitcode:", "failed"),
    _Text("kdump: Failed to mount rootfs", "failed"),
    _Text("get_host_ip exited with non-zero status!", "failed"),
    _Text("kdump_pre script exited with non-zero status!", "failed"),
    _Text("Entering kdump emergency mode.", "failed"),
    _Text("kdump: Executing final action systemctl reboot", "rebooting"),
    _Text("kdump: Executing failure action systemctl reboot", "rebooting"),
    _Text("kdump: saving vmcore-dmesg.txt to", None),
    _Text("kdump: saving vmcore-dmesg.txt", None),
    _Text("kdump: saving vmcore-dmesg.txt complete", None),
    _Text("kdump: saving vmcore-dmesg.txt failed", None),
    _Text("kdump: saving opalcore complete", None),
    _Text("kdump: saving opalcore failed", None),
    # SUSE
    _Text("Saved temporary README.txt", "started"),
    _Text("Extracting dmesg", "started"),
    _Text("Saving dump using makedumpfile", "started"),
    _Text("Saved vmcore", "saved", _PATH),
    _Text("Error: Failed saving vmcore", "failed"),
    _Text("Fatal error: /proc/vmcore does not exist", "failed"),
    _Text("Dump too large. Aborting. Check KDUMP_FREE_DISK_SIZE.", "failed"),
    _Text("less than KDUMP_FREE_DISK_SIZE", "doubt"),
    _Text("Saved final README.txt", None),
    _Text("Error saving temporary README.txt", None),
    _Text("Saved dmesg", None),
    _Text("Error: Failed saving dmesg", None),
    # makedumpfile and the kernel
    _Text("The dumpfile is saved to", None, _PATH),
    _Text("The dmesg log is saved to", None),
    _Text("makedumpfile Failed.", "doubt"),
    _Text("makedumpfile Completed.", None),
    _Text("Out of memory: Killed process", "doubt"),
    _Text("Kernel panic - not syncing:", "failed"),
    _Text("reboot: Restarting system", "rebooting"),
]
_PLAIN_GROUPS = [(entry, entry.groups) for entry in _TEXTS]
# makedumpfile's, RHEL's for dd, kdumptool's bar.
_PERCENT = re.compile(r"Copying data +: +\[ *(\d{1,3}\.\d) ?%\]|^Saving dump +\|[#-]*\| *(\d{1,3})%")
_COPIED = re.compile(r"Copied (\d+) MB / (\d+) MB")
#: What journald and systemd put before a program's own text.
_PREFIX = re.compile(r"^(?:\[ *\d+\.\d+\])?(?:\[ *[CT]\d+\])? ?(?:[\w.-]+\[\d+\]: )?(?: ?\* )?")
_MADE = "The dumpfile is saved to"
_KDUMPTOOL = {"Extracting dmesg", "Saving dump using makedumpfile"}


class KdumpProgress:
    """Follows the console's bytes, from the crash kernel's start on."""

    def __init__(self) -> None:
        self.stage: Name | None = None  #: the last event's name
        self.percent: float | None = None  #: of the copying
        self.path = ""  #: where the dump is, as far as it was said
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._line = ""
        self._doubt = ""
        self._saved = self._failed = self._started = self._kdumptool = False

    def feed(self, data: bytes) -> list[KdumpEvent]:
        """More bytes; what they tell, in its order."""
        self._line += self._decode(data)
        events: list[KdumpEvent] = []
        # A progress line ends with the carriage return that begins the next one.
        *lines, self._line = re.split(r"[\r\n]", self._line)
        for line in lines:
            events += self._whole(clean(line))
        while len(self._line) > LINE_MAX:
            events += self._whole(clean(self._line[:LINE_MAX]))
            self._line = self._line[LINE_MAX:]
        events += self._copying(clean(self._line))
        return events

    def _whole(self, line: str) -> list[KdumpEvent]:
        events = self._copying(line)
        if events or len(line) < 8:
            return events
        text = _PREFIX.sub("", line, count=1).strip()
        entry = _best(text)
        if entry is None or entry.means is None:
            # Only SUSE's old kdumptool has no word of its own for it; the others move the file afterwards.
            if entry is not None and entry.text == _MADE and self._kdumptool:
                self.path = _value(entry, text)
                events += self._save()
        elif entry.means == "started":
            self.path = _value(entry, text) or self.path
            self._kdumptool |= entry.text in _KDUMPTOOL
            events += self._start(text)
        elif entry.means == "doubt":
            self._doubt = text if self._started else ""
        elif entry.means == "saved":
            self.path = _value(entry, text) or self.path
            events += self._save()
        elif entry.means == "failed" and self._started and not self._saved:
            events += self._fail(text)
        elif entry.means == "rebooting" and self._started and self.stage != "rebooting":
            if not self._saved and not self._failed:
                events += self._fail(self._doubt or "it reboots without a word of a saved dump")
            events.append(self._say(KdumpEvent("rebooting", text=text)))
        return events

    def _copying(self, line: str) -> list[KdumpEvent]:
        if found := _PERCENT.search(line):
            percent = float(found[1] or found[2])
        elif (found := _COPIED.search(line)) and int(found[2]):
            percent = 100.0 * int(found[1]) / int(found[2])
        else:
            return []
        # Less than before is a digit that was lost. A whole percent more is worth an event.
        if percent > PERCENT_MAX or (self.percent is not None and int(percent) <= int(self.percent)):
            return []
        events = self._start(line.strip())
        self.percent = percent
        return [*events, self._say(KdumpEvent("copying", percent))]

    def _start(self, text: str) -> list[KdumpEvent]:
        if self._started:
            return []
        self._started = True
        return [self._say(KdumpEvent("started", text=text))]

    def _save(self) -> list[KdumpEvent]:
        if self._saved:
            return []
        self._saved = True
        return [*self._start(""), self._say(KdumpEvent("saved", text=self.path))]

    def _fail(self, reason: str) -> list[KdumpEvent]:
        if self._failed:
            return []
        self._failed = True
        return [self._say(KdumpEvent("failed", text=reason))]

    def _say(self, event: KdumpEvent) -> KdumpEvent:
        self.stage = event.name
        return event


def _best(line: str) -> _Text | None:
    """The text of the sources that the line most likely is."""
    groups = _groups(line)
    best, found = 0, None
    for entry, wanted in _PLAIN_GROUPS:
        hits = len(wanted & groups)
        # Of a text and a longer one that begins like it, the longer one's extra groups must count.
        if hits >= FIT * len(wanted) and 2 * hits - len(wanted) > best:
            best, found = 2 * hits - len(wanted), entry
    return found


def _value(entry: _Text, line: str) -> str:
    found = re.search(entry.value, line) if entry.value else None
    return found[1] if found else ""
