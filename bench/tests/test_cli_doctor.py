# SPDX-License-Identifier: Apache-2.0
"""What the doctor says of each wire. The wires are stand-ins: what real ones do is their drivers' tests' affair."""

import json
import time

import pytest

from vkbench import cli, config, errors
from vkbench.instruments.protocol import PowerSample
from vkbench.server import checks

BENCH = """name = "lab"
[server]
prompt = "root@node7:~# "
crash_timeout_s = 100.0
{server}
[bmc]
host = "bmc.example"
user = "operator"
password = {{ file = "secret" }}
{bmc}
[console]
url = "/dev/ttyUSB0"
[analyser]
resource = "TCPIP::la.example::5025::SOCKET"
[dma]
period_s = {period}
[uncertainty]
{uncertainty}
{more}
"""


@pytest.fixture
def bench(tmp_path):
    """A bench file: bench(uncertainty=…, more=…)."""
    secret = tmp_path / "secret"
    secret.write_text("a-word-for-tests\n")
    secret.chmod(0o600)

    def make(**parts):
        given = {"server": "", "bmc": "", "uncertainty": "", "more": "", "period": 0.01, **parts}
        path = tmp_path / "lab.toml"
        path.write_text(BENCH.format(**given))
        return config.load(path)

    return make


class Wire:
    """A context manager with what a test gives it."""

    where = "wire"

    def __init__(self, **has):
        vars(self).update(has)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def bmc(on=True, clock_off=0.0):
    def clock():
        if clock_off is None:
            raise errors.BmcNotSupported("no clock")
        return time.time() + clock_off

    return Wire(is_on=lambda: on, inventory=lambda: {"firmware": "1.2"}, clock=clock)


class Console(Wire):
    """Says ``greeting`` by itself once it is open, and ``answer`` after the first byte that is sent."""

    def __init__(self, answer="", greeting="", dead=False):
        self._answer, self._greeting, self._dead, self._said, self.sent = answer, greeting, dead, "", ""

    @property
    def position(self):
        return len(self._said)

    def text(self, start=0):
        return self._said[start:]

    def send(self, text):
        self.sent += text
        self._said += self._answer

    def expect(self, pattern, timeout, start=None, what=""):
        if self._dead:
            raise errors.ConsoleDead("the line broke", "console")
        self._said, self._greeting = self._said + self._greeting, ""
        if not pattern.search(self._said[start:]):
            raise errors.ConsoleTimeout("nothing came", "console")


def analyser(depth=65536, hz=250_000_000):
    ticks = iter(range(10**6))
    return Wire(
        identify=lambda: {"model": "VK-LA1", "version": "1.0"},
        state=lambda: "IDLE",
        self_test=lambda: None,
        prove_self_test=lambda: None,
        clock_hz=lambda: hz,
        depth=lambda: depth,
        time=lambda: next(ticks),
    )


@pytest.fixture
def wires(monkeypatch):
    """Puts stand-ins behind the bench's wires: wires(bmc=…, console=…)."""
    monkeypatch.setattr(checks, "ANSWER_S", 0.15)
    monkeypatch.setattr(checks, "LISTEN_S", 0.04)
    monkeypatch.setattr(checks, "QUIET_S", 0.03)

    def put(**given):
        has = {"bmc": bmc(), "console": Console("\r\nroot@node7:~# "), "analyser": analyser(), **given}
        monkeypatch.setattr(checks, "open_bmc", lambda bench: has["bmc"])
        monkeypatch.setattr(checks, "open_console", lambda bench: has["console"])
        monkeypatch.setattr(checks, "ScpiAnalyser", lambda settings: has["analyser"])
        monkeypatch.setattr(checks, "open_power", lambda bench: has.get("power"))
        return has

    return put


def look(bench, name=None):
    return [check for check in checks.examine(bench) if name in (None, check.name)]


def test_a_good_bench_is_all_ok(bench, wires):
    wires()
    found = look(bench())
    assert [check.state for check in found] == ["ok"] * len(found), found
    assert [check.name for check in found] == [
        "bench file",
        "passwords",
        "uncertainty",
        "BMC",
        "console",
        "analyser",
        "capture memory",
    ]


# ---- the bench file alone --------------------------------------------------------------------------------------------


def test_a_password_that_is_not_there_is_named_with_its_table(bench, wires, monkeypatch):
    wires()
    monkeypatch.delenv("VK_TEST_SECRET", raising=False)
    login = '[server.login]\nuser = "root"\npassword = { env = "VK_TEST_SECRET" }'
    (found,) = look(bench(server=login), "passwords")
    assert found.state == "no" and "[server.login]" in found.found and "VK_TEST_SECRET" in found.found


def test_a_password_that_others_can_read_is_a_warning(bench, wires, tmp_path):
    wires()
    made = bench()
    (tmp_path / "secret").chmod(0o644)
    found = look(made, "passwords")
    assert [check.state for check in found] == ["warn", "ok"] and "chmod 600" in found[0].fix


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("uart_fifo_chars = 0", "16550A"),
        ("clock_ppm = 0.0", "oscillator"),
        ("uart_fifo_chars = 1024", "late"),
    ],
)
def test_an_uncertainty_that_cannot_be_is_a_warning(bench, wires, settings, says):
    wires()
    (found,) = look(bench(uncertainty=settings), "uncertainty")
    assert found.state == "warn" and says in found.found and found.fix


# ---- BMC -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("off", "says"), [(-7300, "2 hours behind"), (400, "7 minutes ahead of")])
def test_a_bmc_whose_clock_is_off_is_a_warning(bench, wires, off, says):
    wires(bmc=bmc(clock_off=off))
    first, second = look(bench(), "BMC")
    assert first.state == "ok" and second.state == "warn" and says in second.found and "NTP" in second.fix


def test_a_bmc_without_a_clock_is_good(bench, wires):
    wires(bmc=bmc(clock_off=None))
    (found,) = look(bench(), "BMC")
    assert found.state == "ok"


def test_a_bmc_that_is_not_verified_is_a_warning(bench, wires):
    wires()
    found = look(bench(bmc='kind = "redfish"\ntls = "trust"'), "BMC")
    assert [check.state for check in found] == ["ok", "warn"] and "ca_file" in found[1].fix


def test_an_error_of_one_wire_does_not_hide_the_others(bench, wires):
    def dead():
        raise errors.BmcUnreachable("nothing answers", "BMC x", "Check the cable")

    wires(bmc=Wire(is_on=dead))
    found = {check.name: check for check in look(bench())}
    assert found["BMC"].state == "no" and found["BMC"].fix == "Check the cable"
    assert found["console"].state == "ok" and "not known" in found["console"].found
    assert found["analyser"].state == "ok"


# ---- console ---------------------------------------------------------------------------------------------------------


def test_a_server_that_is_off_is_not_typed_at(bench, wires):
    has = wires(bmc=bmc(on=False))
    (found,) = look(bench(), "console")
    assert found.state == "ok" and "off" in found.found and has["console"].sent == ""


def test_text_from_a_server_that_is_off_is_another_servers(bench, wires):
    wires(bmc=bmc(on=False), console=Console(greeting="node8 login: "))
    (found,) = look(bench(), "console")
    assert found.state == "warn" and "node8" in found.found and "same server" in found.fix


@pytest.mark.parametrize("on", [True, False])
def test_a_line_that_breaks_at_once_is_dead(bench, wires, on):
    wires(bmc=bmc(on=on), console=Console(dead=True))
    (found,) = look(bench(), "console")
    assert found.state == "no" and "broke" in found.found


def test_text_that_comes_by_itself_is_enough(bench, wires):
    has = wires(console=Console(greeting="[    1.0] Linux version 6.1\r\n"))
    (found,) = look(bench(), "console")
    assert found.state == "ok" and "Linux version" in found.found and has["console"].sent == ""


@pytest.mark.parametrize(
    ("answer", "state", "says", "fix"),
    [
        ("\r\nroot@node7:~# ", "ok", "the shell's prompt", ""),
        ("", "warn", "did not answer", "wiring.md"),
        ("\r\n", "warn", "only the newline", "getty"),
        ("\r\nnode7 login: ", "warn", "asks for a login", "[server.login]"),
        ("\ufffd\x11\ufffd\x02\ufffd~x", "no", "no text", "baud"),
        ("\r\ngrub> ", "ok", "grub>", ""),
    ],
)
def test_what_a_newline_brings_is_judged(bench, wires, answer, state, says, fix):
    has = wires(console=Console(answer))
    (found,) = look(bench(), "console")
    assert (found.state, has["console"].sent) == (state, "\n"), found
    assert says in found.found and fix in found.fix


def test_terminal_escapes_are_text(bench, wires):
    wires(console=Console("\x1b[?2004h\x1b[01;32mroot@node7:~# "))
    (found,) = look(bench(), "console")
    assert found.state == "ok"


# ---- analyser and memory ---------------------------------------------------------------------------------------------


def test_a_clock_that_stands_still_is_garbled(bench, wires):
    broken = analyser()
    broken.time = lambda: 7
    wires(analyser=broken)
    (found,) = look(bench(), "analyser")
    assert found.state == "no" and "stands still" in found.found


@pytest.mark.parametrize(
    ("period", "state"),
    [
        (0.01, "ok"),  # 57344 records last 573 s
        (0.0005, "ok"),  # 28.7 s, and 20 s are needed
        (0.0002, "warn"),  # 11.5 s
        (0.0, "warn"),  # folded: 0.2 s
    ],
)
def test_the_memory_must_last_until_the_crash_kernel_is_up(bench, wires, period, state):
    wires()
    (found,) = look(bench(period=period), "capture memory")
    assert found.state == state, found
    if state == "warn":
        assert "period_s" in found.fix and "crash_timeout_s" in found.fix


# ---- power and SSH ---------------------------------------------------------------------------------------------------

POWER = '[power]\nresource = "TCPIP::psu.example::INSTR"'


def power(on=True, volts=12.0, amperes=3.5):
    return Wire(
        is_on=lambda: on, identify=lambda: "A,B,C,D", measure=lambda: PowerSample(0.0, volts, amperes)
    )


@pytest.mark.parametrize(
    ("wire", "server_on", "state", "says"),
    [
        (power(), True, "ok", "12 V, 3.5 A"),
        (power(on=False, volts=0.0, amperes=0.0), False, "ok", "output is off"),
        (power(on=False, volts=0.0, amperes=0.0), True, "no", "the BMC says that the server is on"),
        (power(amperes=0.0), True, "warn", "though the server is on"),
        (power(volts=None, amperes=None), True, "ok", "output is on"),
    ],
)
def test_power_must_be_this_servers(bench, wires, wire, server_on, state, says):
    wires(power=wire, bmc=bmc(on=server_on))
    (found,) = look(bench(more=POWER), "power")
    assert found.state == state and says in found.found


SSH = '[server.ssh]\nhost = "127.0.0.1"\nport = 9\nkey = "key"\n{more}'


def ssh_table(known=True):
    return SSH.format(more='known_hosts = "known_hosts"' if known else "")


def test_a_key_that_others_can_read_is_refused(bench, wires, tmp_path):
    wires(bmc=bmc(on=False))
    (tmp_path / "key").write_text("x")
    (tmp_path / "key").chmod(0o644)
    (found,) = look(bench(server=ssh_table()), "SSH")
    assert found.state == "no" and "chmod 600" in found.fix


def test_a_key_that_is_not_there_is_named(bench, wires):
    wires(bmc=bmc(on=False))
    (found,) = look(bench(server=ssh_table()), "SSH")
    assert found.state == "no" and "does not exist" in found.found


def test_a_server_that_is_off_is_not_connected_to_and_an_unknown_host_key_is_a_warning(
    bench, wires, tmp_path
):
    wires(bmc=bmc(on=False))
    (tmp_path / "key").write_text("x")
    (tmp_path / "key").chmod(0o600)
    found = look(bench(server=ssh_table(known=False)), "SSH")
    assert [check.state for check in found] == ["warn", "ok"]
    assert "known_hosts" in found[0].found and "no connection" in found[1].found


def test_a_closed_ssh_port_says_so(bench, wires, tmp_path):
    wires()
    for name in ("key", "known_hosts"):
        (tmp_path / name).write_text("x\n")
        (tmp_path / name).chmod(0o600)
    (found,) = look(bench(server=ssh_table()), "SSH")
    assert found.state == "no" and "refused" in found.found and "sshd" in found.fix


# ---- the command -----------------------------------------------------------------------------------------------------


def test_a_warning_does_not_fail_it_and_json_keeps_its_shape(bench, wires, capsys):
    wires(bmc=bmc(clock_off=-600))
    path = bench().path
    assert cli.run_app(["doctor", "--bench", str(path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["ok"] is True
    assert {"name", "ok", "found", "fix", "state"} <= set(printed["checks"][0])
    assert [check["state"] for check in printed["checks"] if check["name"] == "BMC"] == ["ok", "warn"]
    assert cli.run_app(["doctor", "--bench", str(path)]) == 0
    assert "warn" in capsys.readouterr().out


def test_one_wire_that_is_dead_fails_it(bench, wires, capsys):
    def dead():
        raise errors.AnalyserSilent("no answer", "analyser")

    wires(analyser=Wire(identify=dead))
    assert cli.run_app(["doctor", "--bench", str(bench().path), "--json"]) == errors.EXIT_BENCH
    assert json.loads(capsys.readouterr().out)["ok"] is False
