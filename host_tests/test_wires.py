# SPDX-License-Identifier: Apache-2.0
"""A fault on each wire in turn: delay, loss, a cut, noise. Each ends in a correct result or in a named error of that wire,
in time, with the evidence sealed; and nothing on the bench is the worse for it.

The fault is a proxy in front of the wire (vkbench.virtual.fault_proxy), so this works on a real bench as well, for the
wires that are a network's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from vkbench.virtual.fault_proxy import HEALTHY, Fault, FaultProxy

#: A wire's fault must be named, or outlived, within this time, in seconds: several time-outs of 5 s, on a slow machine.
NAMED_WITHIN = 120
#: A run that a cut wire ends, with a boot before it.
RUN_WITHIN = 240
#: Over a slow wire a panic run takes longer: some hundred questions to the analyser, one after the other.
SLOW_RUN_WITHIN = 400
SLOW_S = 0.05
CHECK_OF = {
    "bmc": "BMC",
    "redfish": "BMC",
    "console": "console",
    "rfc2217": "console",
    "analyser": "analyser",
}
ERROR_OF = {"BMC": "Bmc", "console": "Console", "analyser": "Analyser"}
WIRES = tuple(CHECK_OF)
FAULTS = {
    "slow": Fault(delay_s=SLOW_S),
    "lossy": Fault(drop=0.1),
    "silent": Fault(drop=1),
    "cut": Fault(cut_after=0),
    "noisy": Fault(garble=0.02),
}
SERVER_TEXT = b"Linux version"
#: Bytes after which a wire is cut: BMC and analyser while they are being opened, the console with the server at its shell.
CUT_IN_RUN = {"bmc": 600, "console": 3000, "analyser": 100}


@dataclass
class Door:
    """Where a wire ends, and the bench file's text that leads there, with ``{port}`` for the proxy's."""

    host: str
    port: int
    udp: bool
    old: str
    new: str


def doors(text: str, table: dict) -> dict[str, Door]:
    """The wires of this bench that are a network's, and further doors to the same machine."""
    found = {}
    bmc, virtual = table["bmc"], table.get("virtual", {})
    kind = bmc.get("kind", "ipmi")
    old = block(text, "bmc")
    new = re.sub(r"(?m)^(host|port)\s*=.*\n", "", old)
    new = new.replace("[bmc]\n", '[bmc]\nhost = "127.0.0.1"\nport = {port}\n', 1)
    name, port = ("bmc", 623) if kind == "ipmi" else ("redfish", 443)
    found[name] = Door(bmc["host"], bmc.get("port", port), kind == "ipmi", old, new)
    if kind == "ipmi" and "redfish_port" in virtual:
        other = re.sub(r"(?m)^(kind|cipher_suite)\s*=.*\n", "", new)
        other = other.replace("[bmc]\n", '[bmc]\nkind = "redfish"\ntls = "trust"\n', 1)
        found["redfish"] = Door(bmc["host"], virtual["redfish_port"], False, old, other)
    url = urlsplit(table["console"]["url"])
    if url.scheme in ("socket", "rfc2217"):
        line = f'url = "{table["console"]["url"]}"'
        name = "console" if url.scheme == "socket" else "rfc2217"
        found[name] = Door(url.hostname, url.port, False, line, f'url = "{url.scheme}://127.0.0.1:{{port}}"')
        if url.scheme == "socket" and "rfc2217_port" in virtual:
            found["rfc2217"] = Door(
                url.hostname, virtual["rfc2217_port"], False, line, 'url = "rfc2217://127.0.0.1:{port}"'
            )
    resource = table["analyser"]["resource"]
    if tcp := re.fullmatch(r"TCPIP\d*::([^:]+)::(\d+)::SOCKET", resource, re.IGNORECASE):
        found["analyser"] = Door(tcp[1], int(tcp[2]), False, resource, "TCPIP::127.0.0.1::{port}::SOCKET")
    return found


def block(text: str, name: str) -> str:
    """A table of the bench file, as it is written."""
    found = re.search(rf"(?m)^\[{name}\]\n(?:(?!\[).*\n)*", text)
    assert found, f"[{name}] in the bench file"
    return found[0]


class Faulty:
    """The bench with proxies in front of some wires."""

    def __init__(self, doors: dict[str, Door], altered_bench, names: tuple[str, ...]) -> None:
        for name in names:
            if name not in doors:
                pytest.skip(f"this bench has no door {name} on a network")
        self._stack = ExitStack()
        self.proxies: dict[str, FaultProxy] = {}
        replacements = {}
        for name in names:
            door = doors[name]
            proxy = self._stack.enter_context(FaultProxy((door.host, door.port), udp=door.udp))
            self.proxies[name] = proxy
            replacements[door.old] = door.new.replace("{port}", str(proxy.port))
        self.bench: Path = altered_bench(replacements)

    def set(self, fault: Fault) -> None:
        """The same fault on every wire."""
        for proxy in self.proxies.values():
            proxy.fault = fault

    def close(self) -> None:
        """Take the proxies away."""
        self._stack.close()


@pytest.fixture
def faulty(vkbench, altered_bench, bench_file, bench_table) -> Iterator:
    """faulty(name, …) -> the bench with a proxy in front of each wire of these names."""
    made: list[Faulty] = []

    def make(*names: str) -> Faulty:
        made.append(Faulty(doors(bench_file.read_text(), bench_table), altered_bench, names))
        return made[-1]

    yield make
    for one in made:
        one.close()


def verdict_of(run: Path) -> dict:
    return json.loads((run / "verdict.json").read_text())


def sealed_abort(run: Path) -> dict:
    record = json.loads((run / "run.json").read_text())
    assert record["status"] == "aborted"
    assert (run / "manifest.sha256").exists()
    return record["abort"]


# ---- the doctor names each fault -------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", WIRES)
def test_the_doctor_names_the_wire_or_finds_it_good(vkbench, faulty, wire):
    """One wire, each fault after the other, healthy in between: the wire is what is named, and it comes back."""
    bench = faulty(wire)
    mine = CHECK_OF[wire]
    for name, fault in FAULTS.items():
        bench.set(fault)
        result = vkbench("doctor", "--bench", bench.bench, "--json", timeout=NAMED_WITHIN)
        assert "Traceback" not in result.stderr, (name, result.stderr)
        checks = result.data["checks"]
        bad = [check for check in checks if not check["ok"]]
        assert {check["name"] for check in bad} <= {mine}, (name, bad)
        assert all(check["found"] for check in bad), (name, bad)
        assert result.code == (4 if bad else 0), name
        if name == "slow":
            assert not bad, (name, bad)
        # An open console that says nothing is a good one, as long as the server is off.
        if name == "cut" or (name == "silent" and mine != "console"):
            assert bad, f"{name}: nothing was found"
    bench.set(HEALTHY)
    result = vkbench("doctor", "--bench", bench.bench, "--json", timeout=NAMED_WITHIN)
    assert result.code == 0, result.stdout


# ---- runs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", sorted(CUT_IN_RUN))
def test_a_wire_that_is_cut_in_mid_run_is_named_and_the_run_is_sealed(vkbench, faulty, run_directory, wire):
    bench = faulty(wire)
    bench.set(Fault(cut_after=CUT_IN_RUN[wire]))
    result = vkbench("run", "panic-stock", "--bench", bench.bench, "--out", run_directory, timeout=RUN_WITHIN)
    assert result.code == 4, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    abort = sealed_abort(run_directory)
    assert abort["error"].startswith(ERROR_OF[CHECK_OF[wire]]), abort
    verified = vkbench("verify", run_directory)
    assert verified.code == 2 and "Traceback" not in verified.stderr, verified.stdout + verified.stderr
    doctor = vkbench("doctor", "--bench", vkbench.bench)
    assert doctor.code == 0, doctor.stdout


def test_a_run_over_slow_wires_has_the_right_verdict(vkbench, faulty, run_directory):
    bench = faulty("bmc", "console", "analyser")
    bench.set(Fault(delay_s=SLOW_S))
    result = vkbench(
        "run", "panic-post-notifiers", "--bench", bench.bench, "--out", run_directory, timeout=SLOW_RUN_WITHIN
    )
    assert result.code == 0, result.stdout + result.stderr
    assert verdict_of(run_directory)["overall"] == "PASS"


def test_a_run_over_a_noisy_console_has_the_right_verdict_or_names_it(vkbench, faulty, run_directory):
    """The verdict is made from what the card saw: noise on the way to the host must not change it."""
    bench = faulty("console")
    bench.set(Fault(garble=0.0005, drop=0.0002))
    result = vkbench(
        "run", "panic-stock", "--bench", bench.bench, "--out", run_directory, timeout=SLOW_RUN_WITHIN
    )
    assert "Traceback" not in result.stderr
    if result.code == 4:
        sealed_abort(run_directory)
    else:
        assert result.code == 1 and verdict_of(run_directory)["overall"] == "FAIL", result.stdout
    raw = (run_directory / "console.raw").read_bytes()
    assert len(raw) > len(SERVER_TEXT), "every byte that came is kept"
