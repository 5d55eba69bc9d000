# SPDX-License-Identifier: Apache-2.0
"""OpenIPMI's ipmi_sim with serial over LAN, behind the relay, with a card's console side that a test plays."""

import contextlib
import socket
import subprocess
import sys
import threading
import time

from instrument_peers import free_port

from vkbench.config.model import Bmc, Console, Secret
from vkbench.virtual import ipmi_sim
from vkbench.virtual.relay import READY

USER, PASSWORD = "vkbench", "sixteen-bytes-pw"
LIMIT_S = 10.0


class SimulatedBmc:
    """The simulator as it runs in the virtual bench; the server is this process, through ``line``."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port(socket.SOCK_DGRAM)
        self._vm_port = free_port()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(LIMIT_S)
        self.sol_port = free_port()
        secret = folder / "password"
        secret.write_text(PASSWORD + "\n")
        self.settings = Bmc(
            host="127.0.0.1", port=self.port, user=USER, password=Secret(file=str(secret)), timeout_s=2.0
        )
        self.console = Console(url="sol:")
        argv = [sys.executable, "-m", "vkbench.virtual.relay", "--raw", str(free_port())]
        argv += ["--console", f"127.0.0.1:{self._listener.getsockname()[1]}", "--sol", str(self.sol_port)]
        self._relay = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.log = ""
        self._new_log = threading.Condition()
        threading.Thread(target=self._read_log, daemon=True).start()
        self.line = self._listener.accept()[0]
        self.line.settimeout(LIMIT_S)
        self.wait_log(READY)
        self.process = None

    def _read_log(self):
        for text in self._relay.stdout:
            with self._new_log:
                self.log += text
                self._new_log.notify_all()

    def wait_log(self, text):
        """Until the relay has said something."""
        with self._new_log:
            assert self._new_log.wait_for(lambda: text in self.log, LIMIT_S), self.log

    def start(self):
        """The simulator; with the relay in reach it dials at once."""
        self.log = ""
        bmc = ipmi_sim.Bmc(self.port, self._vm_port, USER, PASSWORD, ["sleep", "600"], sol_port=self.sol_port)
        argv = ipmi_sim.prepare(bmc, self.folder / "bmc")
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        ipmi_sim.wait_ready(self.port, self.process)
        self.wait_log("SOL client")
        return self

    def take(self, length):
        """What the server's end of the line got."""
        data = bytearray()
        while len(data) < length and (piece := self.line.recv(65536)):
            data += piece
        return bytes(data)

    def kill(self):
        """The BMC dies without a word."""
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        self._relay.terminate()
        self._relay.wait(LIMIT_S)
        with contextlib.suppress(OSError):
            self.line.close()
        self._listener.close()


@contextlib.contextmanager
def running(folder):
    """A running BMC."""
    bmc = SimulatedBmc(folder)
    try:
        yield bmc.start()
    finally:
        bmc.close()


def wait_until(condition, limit=LIMIT_S):
    """Poll for what has no event."""
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
