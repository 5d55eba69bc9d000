# SPDX-License-Identifier: Apache-2.0
"""What is put onto a distribution so that its crash kernel stops in a shell before it dumps (kdump.py)."""

#: A POSIX shell's, because the crash kernel's initramfs may have no other. The words between @ are filled in.
SCRIPT = """#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs in the crash kernel before the distribution's own dump: a root shell on the serial console, in which the bench
# looks at the memory of the kernel that panicked. `exit` there lets the dump go on. Without /proc/vmcore this is
# no crash kernel, and nothing happens; nor does a second service that has the hook open a second shell.
# The bench fills in marker, prompt and time.

[ -s /proc/vmcore ] || exit 0
mkdir /run/vkbench-crash-shell 2>/dev/null || exit 0

# The console that the kernel prefers is the last of those named here.
tty=
for name in $(cat /sys/class/tty/console/active 2>/dev/null); do
	[ -c "/dev/$name" ] && tty=/dev/$name
done
[ -n "$tty" ] || tty=/dev/console

# systemd counts the seconds of this service on the same line; SIGRTMIN+21 ends that, +20 brings it back (systemd(1)).
status() { [ -d /run/systemd/system ] && kill -"$1" 1; }
status 55
stty sane -echo <"$tty" 2>/dev/null
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/ TERM=dumb PS1='@PROMPT@'
# A shell that knows TMOUT ends by itself when nobody types: a bench that has gone must not keep the machine here.
export TMOUT=@IDLE_S@
unset ENV
setsid=
command -v setsid >/dev/null 2>&1 && setsid='setsid -c -w'
echo '@READY@' >"$tty"
$setsid /bin/sh <"$tty" >"$tty" 2>&1
echo 'vkbench: the dump goes on' >"$tty"
status 54
exit 0
"""


def crash_shell(ready: str, prompt: str, idle_s: int) -> str:
    """The script for this bench's marker and prompt. ``idle_s``: after so long without a command the dump goes on."""
    text = SCRIPT
    words = {"@READY@": _inside_quotes(ready), "@PROMPT@": _inside_quotes(prompt), "@IDLE_S@": str(idle_s)}
    for name, value in words.items():
        text = text.replace(name, value)
    return text


def _inside_quotes(text: str) -> str:
    return text.replace("'", "'\\''")
