# SPDX-License-Identifier: Apache-2.0
"""No password of a bench file reaches a run directory, a journal, a report, stdout or stderr.

Each story leads a unique password (a canary) through a real way of failing, and everything that was written is searched
for it in every spelling, by other code than that which hides it. The stories in LEAKS would show it: with the masking
switched off, each must be caught.
"""

import base64
import json
import random
import re
import sys
import urllib.parse
from pathlib import Path

import numpy as np
import pytest
import test_server_run
import typer
from bmc_peers import Wire, simulator
from instrument_peers import free_port, tcp_peer
from redfish_peer import error, redfish_peer
from shell_peers import PROMPT, on_terminal
from test_instruments_console_login import GETTY

from vkbench import cli, errors
from vkbench.campaign.records.journal import Journal
from vkbench.capture import records as rec
from vkbench.capture import vkc
from vkbench.capture.layout import Kind
from vkbench.cli import common
from vkbench.config import load
from vkbench.config.model import Console, Login, Secret
from vkbench.evidence import RunDirectory, secrets
from vkbench.evidence.campaign import BenchState, Outcome
from vkbench.instruments import SerialConsole
from vkbench.instruments import login as login_module
from vkbench.instruments.login import log_in
from vkbench.instruments.protocol import CaptureData, ClassStatistics
from vkbench.report import write_report
from vkbench.server import steps
from vkbench.server.run import run as make_run
from vkbench.server.settings import SETTINGS_JSON, Change, Settings
from vkbench.verdict import verify

BMC = 'Bq7/"k+\\z&4W'
SOL = "So1 canary%9"
GETTY_PASSWORD = "secret-word-7"
ROOT = Path(__file__).resolve().parents[2]


# ---- the search, which knows nothing of secrets.py ---------------------------------------------------------------------


def traces(data: bytes, canary: str) -> list[str]:
    """In which spellings the data holds the canary."""
    text = data.decode("latin-1")
    plain = canary.encode().decode("latin-1")
    views = {
        "plain": text,
        "URL": urllib.parse.unquote(text),
        "URL, plus for space": urllib.parse.unquote_plus(text),
        "escaped": re.sub(r"\\(.)", r"\1", text),
        "HTML": text.replace("&quot;", '"')
        .replace("&#34;", '"')
        .replace("&#x27;", "'")
        .replace("&amp;", "&"),
    }
    found = [name for name, view in views.items() if plain in view]
    for run in re.findall(r"[A-Za-z0-9+/_-]{8,}", text):
        standard = run.replace("-", "+").replace("_", "/")
        for begin in range(4):
            piece = standard[begin:]
            if plain in base64.b64decode(piece[: len(piece) // 4 * 4] + "", validate=False).decode("latin-1"):
                found.append("base64")
            tail = piece + "=" * (-len(piece) % 4)
            if len(piece) % 4 != 1 and plain in base64.b64decode(tail).decode("latin-1"):
                found.append("base64")
    return found


def everything(folder: Path, *texts: str, spare: tuple[str, ...] = ()) -> dict[str, bytes]:
    """What was written: each file, but for those whose business is to hold the password."""
    files = [one for one in folder.rglob("*") if one.is_file() and not one.is_symlink()]
    held = {str(one.relative_to(folder)): one.read_bytes() for one in files if one.name not in spare}
    return held | {f"text {number}": text.encode() for number, text in enumerate(texts)}


def leaks(written: dict[str, bytes], *canaries: str) -> dict[str, list[str]]:
    found = {name: [t for canary in canaries for t in traces(data, canary)] for name, data in written.items()}
    return {name: how for name, how in found.items() if how}


def test_the_search_finds_each_spelling():
    spellings = [
        BMC,
        json.dumps(BMC),
        repr(BMC),
        urllib.parse.quote(BMC, safe=""),
        urllib.parse.quote_plus(SOL),
        base64.b64encode(f"operator:{BMC}".encode()).decode(),
        base64.urlsafe_b64encode(f"PASSWORD={BMC}\n# end".encode()).decode(),
    ]
    for spelling in spellings:
        assert traces(f"before {spelling} after".encode(), SOL if "So1" in spelling else BMC), spelling
    assert not traces(b"an innocent text, U2VjcmV0cyBhcmUgbm90IGhlcmU=", BMC)


# ---- benches ---------------------------------------------------------------------------------------------------------


def bench_text(port: int, kind: str = "ipmi", more: str = "") -> str:
    """A lab's bench file; the passwords are in the environment."""
    return f"""name = "canary"
[bmc]
kind = "{kind}"
host = "127.0.0.1"
port = {port}
user = "operator"
password = {{ env = "CANARY_BMC" }}
timeout_s = 0.5
{more}
[console]
url = "socket://127.0.0.1:{free_port()}"
open_timeout_s = 0.3
[analyser]
resource = "TCPIP::127.0.0.1::{free_port()}::SOCKET"
timeout_s = 0.3
[server.login]
user = "root"
password = {{ env = "CANARY_LOGIN" }}
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("CANARY_BMC", BMC)
    monkeypatch.setenv("CANARY_LOGIN", GETTY_PASSWORD)


@pytest.fixture
def vkbench(capsys):
    """Runs a command line; what it wrote to stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        code = cli.run_app([str(word) for word in words])
        return code, *capsys.readouterr()

    return run


# ---- stories in which the password would show --------------------------------------------------------------------------


def quoting_redfish(tmp_path, vkbench):
    """A service that says what it was given: plain, as JSON has it, as the header that carried it."""
    said = (
        f"'{BMC}' is wrong, {urllib.parse.quote(BMC, safe='')} too, Basic "
        + base64.b64encode(f"operator:{BMC}".encode()).decode()
    )
    bench = tmp_path / "lab.toml"
    with redfish_peer() as peer:
        peer.fault = lambda method, path: (
            (401, error("Base.1.8.ResourceAtUriUnauthorized", said), {}) if method == "POST" else None
        )
        bench.write_text(bench_text(peer.port, "redfish", 'tls = "none"'))
        code, *outputs = vkbench("run", "panic-stock", "--bench", bench, "--out", tmp_path / "run")
        assert code == 4 and "BmcLoginError" in outputs[1], outputs
        for words in (("bmc", "status", "--json"), ("doctor", "--json")):
            outputs += vkbench(*words, "--bench", bench)[1:]
    return everything(tmp_path, *outputs)


def echoed_login(tmp_path, vkbench):
    """A terminal that shows the password while it is typed, and refuses it."""
    login = Login(user="root", password=Secret(env="CANARY_LOGIN"))
    run = RunDirectory.create(tmp_path / "run")
    with (
        pytest.raises(errors.LoginFailed) as failure,
        run,
        on_terminal([sys.executable, GETTY, "echo", "refuse"]) as port,
        SerialConsole(Console(url=f"socket://127.0.0.1:{port}"), run.console_sink) as console,
    ):
        log_in(console, login, PROMPT, 20.0)
    return everything(tmp_path, str(failure.value), repr(failure.value))


def _talking_bench(tmp_path, monkeypatch, fail):
    """A whole run on stand-ins that all say the password: console in pieces, capture, event log, inventory, error."""

    class TalkingConsole(test_server_run.FakeConsole):
        def expect(self, pattern, timeout, start=None):
            for piece in (b"a" + BMC.encode()[:5], BMC.encode()[5:], b"\n", b"login: " + BMC.encode()[:-1]):
                for sink in self.sinks:
                    sink(piece)
            return super().expect(pattern, timeout, start)

    class TalkingBmc(test_server_run.FakeBmc):
        def inventory(self):
            return {"asset": BMC, "header": base64.b64encode(f"operator:{BMC}".encode()).decode()}

        def event_log(self):
            return [{"text": f"user operator used {BMC!r}"}]

    text = b"x" + BMC.encode() + b"y"
    array = rec.empty(len(text))
    array["kind"], array["aux"] = Kind.CONSOLE, list(text)
    array["timestamp"] = np.arange(len(text))
    data = CaptureData(array.tobytes(), "DONE", 0, 0, {"RQ_WR": ClassStatistics(0, 0, 0, 0)})
    monkeypatch.setattr(test_server_run.FakeAnalyser, "read_capture", lambda self, progress=None: data)
    virtual = (ROOT / "fixtures/benches/virtual.toml").read_text()
    bench = tmp_path / "lab.toml"
    bench.write_text(re.sub(r"(?m)^password = .*$", 'password = { env = "CANARY_BMC" }', virtual))
    fake = test_server_run.Fake(fail)
    drivers = steps.Drivers(
        bmc=lambda bench: TalkingBmc(fake),
        console=lambda bench, *sinks: TalkingConsole(fake, sinks),
        analyser=lambda bench: test_server_run.FakeAnalyser(fake),
    )
    return make_run(load(bench), test_server_run.STOCK, tmp_path / "run", drivers=drivers)


def talking_bench(tmp_path, vkbench, monkeypatch):
    _talking_bench(tmp_path, monkeypatch, {})
    write_report([tmp_path / "run"], tmp_path / "report.html")
    return everything(tmp_path)


def exception_with_it(tmp_path, vkbench, monkeypatch):
    with pytest.raises(RuntimeError):
        _talking_bench(tmp_path, monkeypatch, {"vkpeek": RuntimeError(f"argv was ['-P', {BMC!r}]")})
    return everything(tmp_path)


def error_with_it(tmp_path, vkbench, monkeypatch):
    load_from(tmp_path)
    failure = {"vkpeek": errors.CommandFailed(f"sshpass -p {BMC}", "server", f"not {BMC}")}
    with pytest.raises(errors.CommandFailed) as raised:
        _talking_bench(tmp_path, monkeypatch, failure)
    return everything(tmp_path, str(raised.value), repr(raised.value), raised.value.what)


def interrupted(tmp_path, vkbench, monkeypatch):
    with pytest.raises(errors.Interrupted):
        _talking_bench(tmp_path, monkeypatch, {"vkpeek": KeyboardInterrupt()})
    return everything(tmp_path)


def mistake_of_ours(tmp_path, vkbench, monkeypatch):
    """A traceback at the user's: of what nobody expected, with the password in its text."""
    bench = tmp_path / "lab.toml"
    bench.write_text(bench_text(free_port()))
    monkeypatch.setattr(cli.runs, "execute", _raise)
    try:
        code, *outputs = vkbench("run", "panic-stock", "--bench", bench, "--out", tmp_path / "run")
        assert code == 4 and "RuntimeError" in outputs[1]
    except RuntimeError as failed:  # Python prints it
        outputs = [str(failed)]
    return everything(tmp_path, *outputs)


def _raise(*_):
    raise RuntimeError(f"payload {{'Password': {BMC!r}}}")


def command_output(tmp_path, vkbench):
    """Everything that commands print goes one of these ways."""
    bench = tmp_path / "lab.toml"
    bench.write_text(bench_text(free_port()))

    @common.command
    def say():
        load(bench)
        common.say(BMC)
        common.print_json({"a": [BMC], BMC: 1})
        common.out().print(f"table {BMC}", markup=False)
        raise errors.BmcRefused(f"it said {BMC}", hint=BMC)

    with pytest.raises(typer.Exit):
        say()
    code, stdout, stderr = vkbench("--version")
    assert code == 0 and "BmcRefused" in stderr and "table" in stdout
    return everything(tmp_path, stdout, stderr)


def journal(tmp_path, vkbench):
    load_from(tmp_path)
    campaign = tmp_path / "campaign"
    campaign.mkdir()
    with Journal.create(campaign) as written:
        written.append(BenchState(bench="canary", state="sick", detail=f"BMC: {BMC}"))
        died = {
            "fate": "died",
            "fault": "bench",
            "counts": False,
            "result": "INCONCLUSIVE",
            "as_expected": False,
        }
        written.append(
            Outcome(slot=1, attempt=1, **died, error="BmcRefused", detail=repr(BMC), facts={"x": BMC})
        )
        return everything(tmp_path)


def settings(tmp_path, vkbench):
    """A file of the server that holds the password, changed by a run; the ledger outside keeps it as it was."""
    load_from(tmp_path)
    held = f"# kdump\npassword {BMC}\nend\n"
    ledger, journal = tmp_path / "ledger.json", tmp_path / "run" / SETTINGS_JSON
    encoded = base64.b64encode(held.encode()).decode()
    changed = Settings(lambda command: "", journal, ledger)
    changed._note(Change("/etc/kdump.conf", "file", encoded, encoded, "644 0:0"))
    assert json.loads(ledger.read_bytes())["changes"][0]["before"] == encoded
    return everything(tmp_path, spare=("ledger.json",))


def load_from(folder: Path) -> None:
    """What every process of a campaign does first."""
    (folder / "lab.toml").write_text(bench_text(1))
    load(folder / "lab.toml")


LEAKS = [
    quoting_redfish,
    echoed_login,
    talking_bench,
    exception_with_it,
    error_with_it,
    interrupted,
    mistake_of_ours,
    command_output,
    journal,
    settings,
]


def tell(story, tmp_path, vkbench, monkeypatch):
    monkeypatch.setattr(login_module, "QUIET_S", 0.15)
    more = [monkeypatch] if "monkeypatch" in story.__code__.co_varnames[: story.__code__.co_argcount] else []
    return story(tmp_path, vkbench, *more)


@pytest.mark.parametrize("story", LEAKS, ids=lambda story: story.__name__)
def test_no_password_is_written(story, tmp_path, vkbench, monkeypatch):
    written = tell(story, tmp_path, vkbench, monkeypatch)
    assert leaks(written, BMC, GETTY_PASSWORD) == {}


@pytest.mark.parametrize("story", LEAKS, ids=lambda story: story.__name__)
def test_without_the_masking_it_would_be_found(story, tmp_path, vkbench, monkeypatch):
    monkeypatch.setattr(secrets, "known", lambda value, user="": value)
    written = tell(story, tmp_path, vkbench, monkeypatch)
    assert leaks(written, BMC, GETTY_PASSWORD)


# ---- stories in which no text ever holds it ----------------------------------------------------------------------------


def test_a_bmc_that_refuses_is_deaf_or_garbled_shows_no_password(tmp_path, vkbench):
    """IPMI: the simulator with another password, its log too; nothing that answers; answers that are none."""
    outputs = []
    bench = tmp_path / "lab.toml"
    with simulator(tmp_path / "bmc") as machine, Wire(machine.port) as wire:
        bench.write_text(bench_text(wire.port))
        for number, trouble in enumerate(("refuses", "deaf", "garbled")):
            wire.deaf = trouble == "deaf"
            wire.to_client = (lambda data: [data[::-1]]) if trouble == "garbled" else (lambda data: [data])
            code, *said = vkbench("run", "panic-stock", "--bench", bench, "--out", tmp_path / f"run{number}")
            assert code == 4 and "Bmc" in said[1], said
            outputs += said
        assert "BmcLoginError" in outputs[1]
    # lan.conf is the simulator's own account, which is another's password.
    assert leaks(everything(tmp_path, *outputs), BMC, GETTY_PASSWORD) == {}
    assert (tmp_path / "bmc/log").exists()


def test_serial_over_lan_with_a_wrong_password_shows_none(tmp_path, vkbench, monkeypatch):
    monkeypatch.setenv("CANARY_SOL", SOL)
    bench = tmp_path / "lab.toml"
    with simulator(tmp_path / "bmc") as machine, redfish_peer() as peer:
        text = bench_text(peer.port, "redfish", 'tls = "none"')
        text = re.sub(r'url = "socket.*"', 'url = "sol:"', text)
        text += f"""[console.sol]
host = "127.0.0.1"
port = {machine.port}
user = "operator"
password = {{ env = "CANARY_SOL" }}
timeout_s = 0.5
"""
        bench.write_text(text)
        monkeypatch.setenv("CANARY_BMC", "right-one")
        code, *said = vkbench("run", "panic-stock", "--bench", bench, "--out", tmp_path / "run")
    assert code == 4 and "BmcLoginError" in said[1], said
    written = everything(tmp_path, *said, spare=("lan.conf",))
    assert leaks(written, SOL, BMC, GETTY_PASSWORD, "right-one") == {}


def test_an_analyser_that_answers_garbage_shows_none(tmp_path, vkbench):
    bench = tmp_path / "lab.toml"
    with tcp_peer(lambda link: link.sendall(BMC.encode() + b"\n" + link.recv(100))) as port:
        text = bench_text(1)
        bench.write_text(re.sub(r"127\.0\.0\.1::\d+", f"127.0.0.1::{port}", text))
        found = vkbench("doctor", "--bench", bench, "--json")
    assert found[0] in (3, 4)
    assert leaks(everything(tmp_path, *found[1:]), BMC, GETTY_PASSWORD) == {}


# ---- what masking does to evidence -------------------------------------------------------------------------------------


def test_masked_evidence_says_so_keeps_its_length_and_verifies(tmp_path, monkeypatch):
    verdict = _talking_bench(tmp_path, monkeypatch, {})
    run = tmp_path / "run"
    found = verify(run)
    assert found.ok and found.verdict == verdict, found.differences
    record = json.loads((run / "run.json").read_bytes())
    raw = (run / "console.raw").read_bytes()
    assert raw.count(b"a" + b"*" * len(BMC) + b"\n") == record["masked"]["console.raw"]
    assert record["masked"]["console.log"] == record["masked"]["console.raw"] > 1
    assert record["masked"]["capture.vkc"] == 1 and record["masked"]["sel.json"] == 1
    assert record["masked"]["run.json"] == 2  # the inventory's
    captured = vkc.read(run / "capture.vkc").records
    assert bytes(captured["aux"].astype(np.uint8)) == b"x" + b"*" * len(BMC) + b"y"
    assert list(captured["timestamp"]) == list(range(len(BMC) + 2))


def test_a_run_without_a_password_in_it_has_nothing_masked(tmp_path):
    run = RunDirectory.create(tmp_path / "run")
    secrets.known(BMC, "operator")
    data = bytes(random.Random(5).randbytes(5000)) + BMC[:6].encode()
    for begin in range(0, len(data), 7):
        run.console_sink.write(data[begin : begin + 7])
    run.abort("Timeout", "no prompt")
    raw = (tmp_path / "run/console.raw").read_bytes()
    assert raw[:-6] == data[:-6] and raw[-6:] == b"******"
    record = json.loads((tmp_path / "run/run.json").read_bytes())
    assert record["masked"] == {"console.log": 1, "console.raw": 1}


def test_a_stream_in_any_pieces_is_masked_as_the_whole():
    rng = random.Random(6)
    secrets.known(BMC, "operator")
    secrets.known("aaab")
    words = [BMC.encode(), b"aaab", b"aaa", BMC[:5].encode(), b"*", b"\n", BMC[3:].encode()]
    for _ in range(300):
        data = b"".join(rng.choice(words) for _ in range(rng.randrange(1, 9)))
        stream, out, at = secrets.Stream(), b"", 0
        while at < len(data):
            step = rng.randrange(1, 6)
            out += stream.feed(data[at : at + step])
            at += step
            assert BMC.encode() not in out and b"aaab" not in out
        out += stream.end()
        assert len(out) == len(data) and BMC.encode() not in out and b"aaab" not in out
        whole, _ = secrets.masked_bytes(data)
        assert out[: -len(BMC) or None] == whole[: -len(BMC) or None]


def test_a_file_that_somebody_else_wrote_is_swept_before_the_seal(tmp_path):
    run = RunDirectory.create(tmp_path / "run")
    secrets.known(BMC)
    (run.path / "lab.log").write_text(f"started with {BMC}\n")
    run.abort("Timeout", "no prompt")
    assert leaks(everything(tmp_path), BMC) == {}
    assert verify(run.path).ok
    assert json.loads((run.path / "run.json").read_bytes())["masked"] == {"lab.log": 1}


# ---- passwords that cannot be kept secret ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("abc", "shorter than 4"),
        ("panic", "looks for on the console"),
        ("operator", "stands in the bench file itself, line 6"),
    ],
)
def test_a_password_that_would_spoil_the_evidence_is_refused(tmp_path, vkbench, monkeypatch, password, said):
    monkeypatch.setenv("CANARY_BMC", password)
    bench = tmp_path / "lab.toml"
    bench.write_text(bench_text(free_port()))
    code, stdout, stderr = vkbench("run", "panic-stock", "--bench", bench, "--out", tmp_path / "run")
    assert code == 3 and said in stderr and "[bmc]" in stderr
    assert not (tmp_path / "run").exists()
    bench.write_text(bench.read_text() + "# and in a comment: another-canary\n")
    monkeypatch.setenv("CANARY_BMC", "another-canary")
    code, _, stderr = vkbench("run", "panic-stock", "--bench", bench, "--out", tmp_path / "run")
    assert code == 3 and "stands in the bench file itself" in stderr and "another-canary" not in stderr
