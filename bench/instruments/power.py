# SPDX-License-Identifier: Apache-2.0
"""A power supply or switched outlet in front of the server, over SCPI by PyVISA. Its commands come out of the bench file.

Instruments differ in what they call an output, so nothing is taken for granted: each command is followed by a look into
the error queue, and the state is read back after switching.
"""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

from vkbench import config, errors
from vkbench.instruments.protocol import PowerSample
from vkbench.instruments.scpi import PYVISA_PY, Kind, ScpiLink

KIND = Kind(
    "power supply",
    "power",
    re.compile(r"[^,]+,[^,]*,[^,]*,.*"),  # IEEE 488.2 section 10.14: four fields
    errors.PowerUnreachable,
    errors.PowerSilent,
    errors.PowerGarbled,
    errors.PowerRefused,
    "",  # Ctrl-C is a device clear to few of them, and a wrong character to the others
    "Is the instrument on, and set to remote control by this interface?",
)
POLL_S = 0.05
NOT_MEASURED = 9.9e37  #: SCPI-99 volume 1 section 7.2.1.4/5: infinity; 9.91E37 is not-a-number
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(?:V|A|mV|mA)?\s*", re.IGNORECASE)
_MILLI = re.compile(r"\d\s*m[VA]\s*$")


class ScpiPower:
    """The driver; see protocol.Power. ``library``: PyVISA's backend."""

    def __init__(self, settings: config.model.Power, library: str = PYVISA_PY) -> None:
        self._settings = settings
        self._link = ScpiLink(settings, KIND, library)
        self._lock = threading.Lock()  # the recording and whoever switches share one conversation
        self._lost_step = False
        self._recorder: threading.Thread | None = None
        self._end = threading.Event()
        self._samples: list[PowerSample] = []
        self._recording_error: errors.BenchError | None = None

    @property
    def where(self) -> str:
        """What errors call this instrument."""
        return self._link.where

    @property
    def recording_error(self) -> errors.BenchError | None:
        """What ended the last recording before it was stopped; None: nothing did."""
        return self._recording_error

    def __enter__(self) -> Self:
        self._link.__enter__()
        try:
            self._empty_queue()
        except BaseException:
            self._link.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_recording()
        self._link.close()

    def identify(self) -> str:
        return self._link.identity

    def is_on(self) -> bool:
        with self._conversation():
            self._select()
            return self._state()

    def switch(self, on: bool) -> None:
        settings, link = self._settings, self._link
        with self._conversation():
            self._select()
            link.set(self._command(settings.on if on else settings.off))
            end = time.monotonic() + settings.timeout_s
            while self._state() != on:
                if time.monotonic() > end:
                    raise errors.PowerRefused(
                        f"was switched {_word(on)}, and '{self._command(settings.state)}' still says "
                        f"{_word(not on)} after {settings.timeout_s:g} s",
                        self.where,
                        "Look at the instrument: is a protection tripped, or the front panel locked?",
                    )
                time.sleep(
                    POLL_S
                )  # a relay takes its time, and SCPI over a byte stream has no service request

    def cycle(self) -> None:
        self.switch(False)
        time.sleep(self._settings.off_s)
        self.switch(True)

    def measure(self) -> PowerSample:
        """One sample, now."""
        with self._conversation():
            self._select()
            return self._sample(0.0)

    # ---- recording ---------------------------------------------------------------------------------------------------

    def start_recording(self) -> None:
        settings = self._settings
        self.stop_recording()
        if not (settings.voltage or settings.current):
            raise errors.PowerRefused(
                "measures nothing: voltage and current are both empty", self.where, "See [power]"
            )
        with self._conversation():
            self._select()  # a channel that is refused must show now, not as samples of another one
        self._samples, self._recording_error = [], None
        self._end.clear()
        self._recorder = threading.Thread(
            target=self._record, args=(time.monotonic(),), name="power recorder", daemon=True
        )
        self._recorder.start()

    def stop_recording(self) -> list[PowerSample]:
        if self._recorder is not None:
            self._end.set()
            self._recorder.join()  # it ends within one sample, whose queries have their own time-outs
            self._recorder = None
        return list(self._samples)

    def _record(self, begin: float) -> None:
        following = begin
        while not self._end.wait(max(0.0, following - time.monotonic())):
            now = time.monotonic()
            following = max(following + self._settings.sample_s, now)
            try:
                with self._conversation():
                    sample = self._sample(now - begin)
            except errors.PowerGarbled:
                sample = PowerSample(now - begin, None, None)
            except errors.BenchError as error:
                self._recording_error = error
                return
            self._samples.append(sample)

    def _sample(self, at: float) -> PowerSample:
        settings = self._settings
        if settings.channel is not None and settings.select:
            self._link.send(self._command(settings.select))
        return PowerSample(at, self._measure(settings.voltage), self._measure(settings.current))

    def _measure(self, query: str) -> float | None:
        if not query:
            return None
        query = self._command(query)
        answer = self._link.ask(query)
        found = _NUMBER.fullmatch(answer)
        if not found:
            raise self._link.garbled(query, answer)
        value = float(found[1]) / (1000 if _MILLI.search(answer) else 1)
        return None if abs(value) >= NOT_MEASURED else value

    # ---- conversation ------------------------------------------------------------------------------------------------

    @contextmanager
    def _conversation(self) -> Iterator[None]:
        """One thread at a time; back into step first, when an answer was given up before."""
        with self._lock:
            try:
                if self._lost_step:
                    self._link.resync()
                    self._empty_queue()
                    self._lost_step = False
                yield
            except errors.PowerRefused:
                raise
            except errors.BenchError:
                self._lost_step = True  # the answer may still come, and be taken for another one's
                raise

    def _empty_queue(self) -> None:
        """Errors of an earlier program are nobody's now; not every instrument's *CLS takes them away."""
        with suppress(errors.PowerRefused):
            self._link.check("*CLS")

    def _select(self) -> None:
        settings = self._settings
        if settings.channel is not None and settings.select:
            self._link.set(self._command(settings.select))

    def _state(self) -> bool:
        query = self._command(self._settings.state)
        answer = self._link.ask(query)
        word = answer.strip().upper()
        if word in ("ON", "OFF"):
            return word == "ON"
        found = _NUMBER.fullmatch(word)
        if not found or float(found[1]) not in (0, 1):
            raise self._link.garbled(query, answer)
        return float(found[1]) == 1

    def _command(self, text: str) -> str:
        channel = self._settings.channel
        return text.replace("{channel}", "" if channel is None else str(channel))


def power_json(samples: list[PowerSample], error: errors.BenchError | None = None) -> dict[str, Any]:
    """A recording as a file's content: each sample, and what is in them. Times in seconds since it began, energy in joules.

    ``error``: what ended it early. Energy is by trapezoids over the samples that have both values; None without two.
    """
    return {
        "samples": [vars(sample) for sample in samples],
        "ended_early": None if error is None else f"{type(error).__name__}: {error}",
        "duration_s": samples[-1].time_s - samples[0].time_s if samples else 0.0,
        "volts": _range([sample.volts for sample in samples]),
        "amperes": _range([sample.amperes for sample in samples]),
        "energy_j": _energy(samples),
    }


def _range(values: list[float | None]) -> dict[str, float] | None:
    known = [value for value in values if value is not None]
    return {"min": min(known), "max": max(known)} if known else None


def _energy(samples: list[PowerSample]) -> float | None:
    watts = [
        (sample.time_s, sample.volts * sample.amperes)
        for sample in samples
        if sample.volts is not None and sample.amperes is not None
    ]
    if len(watts) < 2:
        return None
    return sum((t1 - t0) * (w0 + w1) / 2 for (t0, w0), (t1, w1) in zip(watts, watts[1:], strict=False))


def _word(on: bool) -> str:
    return "on" if on else "off"
