# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and SIGTERM: the first raises KeyboardInterrupt once, unless evidence is being sealed or processes are ended.

A second signal never breaks into the clean-up that the first one started.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _State:
    held = 0
    pending = False
    raised = False
    tell: Callable[[str], None] = staticmethod(lambda text: None)


def _handler(number: int, _frame: FrameType | None) -> None:
    if _State.raised or _State.held:
        _State.pending |= not _State.raised
        _State.tell("cleaning up; a moment, please")
        return
    _State.raised = True
    raise KeyboardInterrupt


@contextmanager
def handled(tell: Callable[[str], None]) -> Iterator[None]:
    """Install the handlers for the length of a command. ``tell`` says something to the user."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _State.held, _State.pending, _State.raised, _State.tell = 0, False, False, tell
    before = {number: signal.signal(number, _handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held() -> Iterator[None]:
    """No KeyboardInterrupt inside; one that came is raised at the end, when nothing else is on its way."""
    _State.held += 1
    try:
        yield
    finally:
        _State.held -= 1
    if _State.pending and not _State.held and not _State.raised:
        _State.raised = True
        raise KeyboardInterrupt
