# SPDX-License-Identifier: Apache-2.0
"""Real shells and programs on a pseudo terminal behind a TCP port: a server's serial console, with noise when wished."""

import fcntl
import os
import select
import shutil
import signal
import subprocess
import termios
import threading
from contextlib import contextmanager, suppress

from instrument_peers import tcp_peer

PROMPT = "vkbench# "
SHELLS = {
    "dash": ["dash", "-i"],
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    **({"busybox": ["busybox", "sh", "-i"]} if shutil.which("busybox") else {}),
}


def _untouched(data):
    return data


@contextmanager
def on_terminal(argv, *, out=_untouched, into=_untouched, echo=True, columns=80, term="xterm", env=None):
    """Run a program on a terminal for the first TCP client; yields the port.

    ``out`` and ``into`` get each piece of what it prints and what is typed, and give what arrives.
    """
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, bytes((24, 0, columns % 256, columns // 256, 0, 0, 0, 0)))
    if not echo:
        settings = termios.tcgetattr(slave)
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, settings)
    environment = {"PATH": os.environ["PATH"], "TERM": term, "PS1": PROMPT, "HOME": "/", "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(
        argv,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        env={**environment, **(env or {})},
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    ended = threading.Event()

    def serve(link):
        with suppress(OSError):
            while not ended.is_set():
                ready = select.select([master, link], [], [], 0.1)[0]
                if master in ready:
                    link.sendall(out(os.read(master, 4096)))
                if link in ready:
                    if not (data := link.recv(4096)):
                        return
                    os.write(master, into(data))

    try:
        with tcp_peer(serve) as port:
            yield port
            ended.set()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(master)
