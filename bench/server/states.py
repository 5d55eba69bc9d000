# SPDX-License-Identifier: Apache-2.0
"""In which state the server is, as far as its console and its power tell.

For messages and progress only. No verdict uses it: the rules read the capture (bench/capture/timeline.py).
"""

import threading
from enum import Enum

from vkbench.config.model import Markers, Server

_KEEP = 256  # bytes of the text's end kept, so that a marker cut by a read is found


class State(Enum):
    """What the server is doing."""

    OFF = "off"
    FIRMWARE = "firmware or boot loader"
    KERNEL = "kernel boots"
    OS = "operating system"
    PANIC = "panicking"
    JUMPED = "between the kernels"
    CRASH_KERNEL = "crash kernel boots"
    CRASH_SHELL = "crash kernel's shell"
    RECOVERED = "operating system, after a crash"


class StateTracker:
    """Follows the console's bytes. A marker counts only in the state in which it can occur."""

    def __init__(self, server: Server, markers: Markers) -> None:
        self._lock = threading.Lock()
        self._state = State.OFF
        self._tail = b""
        self._crashed = False
        banner, panic = markers.crash_kernel.encode(), markers.panic.encode()
        prompt = server.prompt.encode()
        booting = {banner: State.KERNEL, prompt: State.OS, panic: State.PANIC}
        self._next: dict[State, dict[bytes, State]] = {
            State.FIRMWARE: booting,
            State.KERNEL: booting,
            State.OS: {panic: State.PANIC, banner: State.KERNEL},
            State.PANIC: {markers.jump.encode(): State.JUMPED, banner: State.CRASH_KERNEL},
            State.JUMPED: {banner: State.CRASH_KERNEL},
            State.CRASH_KERNEL: {
                markers.crash_ready.encode(): State.CRASH_SHELL,
                server.crash_prompt.encode(): State.CRASH_SHELL,
            },
            State.CRASH_SHELL: {banner: State.KERNEL},
        }
        self._next[State.RECOVERED] = self._next[State.OS]

    @property
    def state(self) -> State:
        """The state now."""
        with self._lock:
            return self._state

    def powered(self, on: bool) -> None:
        """The power went on or off."""
        with self._lock:
            self._state = State.FIRMWARE if on else State.OFF
            self._tail = b""

    def __call__(self, data: bytes) -> None:
        """More console bytes."""
        with self._lock:
            self._tail += data
            while True:
                hits = [
                    (self._tail.index(text), text, state)
                    for text, state in self._next.get(self._state, {}).items()
                    if text in self._tail
                ]
                if not hits:
                    break
                at, text, state = min(hits, key=lambda hit: hit[0])
                self._tail = self._tail[at + len(text) :]
                self._crashed |= state is State.PANIC
                self._state = State.RECOVERED if state is State.OS and self._crashed else state
            self._tail = self._tail[-_KEEP:]
