#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A getty with a login and a real shell behind it, for a terminal; needs no root. argv: what it does in its words.

The words: slow (the first prompt comes late), deaf (the first Enter is lost), kernel (kernel text cuts each prompt),
motd, timeout (says so once), chatty (kernel text behind each prompt), refuse (knows no password), echo (shows the password that is
typed), shell=NAME.
"""

import os
import sys
import termios
import time

WORDS = set(sys.argv[1:])
USER, PASSWORD = "root", "secret-word-7"
KERNEL = "[   12.345678] usb 1-1: new high-speed USB device number 2 using xhci_hcd\r\n"


def say(text):
    os.write(1, text.encode())


def ask(prompt):
    if "kernel" in WORDS:
        say(prompt[:4] + KERNEL + prompt[4:])
    else:
        say(prompt)
    if "chatty" in WORDS:
        say(KERNEL)
    line = b""
    while not line.endswith(b"\n"):
        line += os.read(0, 1)
    return line.decode().strip()


def echo(on):
    settings = termios.tcgetattr(0)
    settings[3] = settings[3] | termios.ECHO if on else settings[3] & ~termios.ECHO
    termios.tcsetattr(0, termios.TCSADRAIN, settings)


if "slow" in WORDS:
    say("[  OK  ] Started \x1b[0;1;39mGetty\x1b[0m.\r\n")
    time.sleep(0.7)
if "deaf" in WORDS:
    os.read(0, 1)
while True:
    say("\r\nDebian GNU/Linux 12 vkbench ttyS0\r\n\r\n")
    user = ask("vkbench login: ")
    if not user:
        continue
    if "timeout" in WORDS:
        WORDS.remove("timeout")
        say("\r\nLogin timed out after 60 seconds.\r\n")
        continue
    echo("echo" in WORDS)
    password = ask("Password: ")
    echo(True)
    say("\r\n")
    if (user, password) == (USER, PASSWORD) and "refuse" not in WORDS:
        break
    say("\r\nLogin incorrect\r\n")
say("Linux vkbench 6.1.0 #1 SMP\r\nThe programs included with the system are free software # really\r\n")
say("Last login: Sat Nov 21 20:00:00 UTC 2026 on ttyS0\r\n")
if "motd" in WORDS:
    say("*** maintenance at 22:00, login: ask the lab ***\r\nPassword: see the wall\r\n" * 3)
    time.sleep(0.5)
shell = next((word.removeprefix("shell=") for word in WORDS if word.startswith("shell=")), "bash")
environment = {**os.environ, "PS1": r"\[\e[1m\]root@vkbench\[\e[0m\]:~# ", "TERM": "vt220"}
if shell != "bash":
    environment["PS1"] = "# "
argv = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "dash": ["dash", "-i"],
    "busybox": ["busybox", "sh", "-i"],
}[shell]
os.execvpe(argv[0], argv, environment)
