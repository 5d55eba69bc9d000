# SPDX-License-Identifier: Apache-2.0
"""The panic run's conduct: every failure keeps sealed evidence, silences the card, powers the server off.

The instruments here are fault peers: stand-ins that work until they are told to fail. What a good run measures is the
business of host_tests, on a bench.
"""

import json
from pathlib import Path

import pytest

from vkbench import errors
from vkbench.capture import vkc
from vkbench.config import load, parse
from vkbench.evidence import EvidenceError, RunDirectory
from vkbench.instruments.protocol import (
    ArmedTerms,
    CaptureData,
    ClassStatistics,
    Match,
    Qualification,
    SegmentInfo,
)
from vkbench.server import scenario
from vkbench.server import steps as parts
from vkbench.server.record import Reporter, Surroundings, uncertainty
from vkbench.server.run import run as make_run
from vkbench.server.server import iommu_command, parse_peek
from vkbench.server.states import State, StateTracker
from vkbench.verdict import verify

ROOT = Path(__file__).resolve().parents[2]
VIRTUAL = ROOT / "fixtures/benches/virtual.toml"
BENCH = load(VIRTUAL)
STOCK = scenario.SCENARIOS["panic-stock"]
PEEK = "\n".join(
    [
        '{"read":1,"paddr":"0x1000","size":4096,"sha256":"aa","uptime_ms":1000,"seq_min":1,"seq_max":2,"units":2}',
        "[    2.0] a kernel message between them",
        '{"read":2,"paddr":"0x1000","size":4096,"sha256":"aa","uptime_ms":2000,"seq_min":1,"seq_max":2,"units":2}',
        '{"differs":false,"words_changed":0}',
    ]
)


class Fake:
    """A bench of stand-ins. ``fail`` maps a call's name to the exception that it raises."""

    def __init__(self, fail=None):
        self.fail = fail or {}
        self.calls = []
        self.on = False
        self.sequence = 0
        self.closed = []
        self.defect = None
        self.offered = ("SLIP", "DEAF_HARD")
        self.lost = None  # what the card shows whatever is set
        self.answers = {}  # of the server's shell, by command
        self.peeked = ""  # the command that read memory
        self.armed = {}  # what the analyser says it was armed with, beside the trigger

    def call(self, name):
        self.calls.append(name)
        if name in self.fail:
            raise self.fail.pop(name)

    def drivers(self):
        return parts.Drivers(
            bmc=lambda bench: FakeBmc(self),
            console=lambda bench, *sinks: FakeConsole(self, sinks),
            analyser=lambda bench: FakeAnalyser(self),
        )


class Part:
    name = ""

    def __init__(self, fake):
        self.fake = fake

    def __enter__(self):
        self.fake.call(f"open {self.name}")
        return self

    def __exit__(self, *_):
        self.fake.closed.append(self.name)


class FakeBmc(Part):
    name = "bmc"

    def is_on(self):
        return self.fake.on

    def power_on(self):
        self.fake.call("power on")
        self.fake.on = True

    def power_off(self):
        self.fake.call("power off")
        self.fake.on = False

    def inventory(self):
        return {"firmware": "1.0"}

    def event_log(self):
        self.fake.call("event log")
        return []


class FakeConsole(Part):
    name = "console"
    position = 0

    def __init__(self, fake, sinks):
        super().__init__(fake)
        self.sinks = sinks

    def send(self, text):
        self.fake.call("inject")

    def expect(self, pattern, timeout, start=None):
        for sink in self.sinks:
            sink(b"text \xff\n")
        self.fake.call(f"expect {pattern}")
        return Match(0, 1, str(pattern), 0.0)

    def run(self, command, prompt, timeout):
        self.fake.call(command.split()[0])
        if command in self.fake.answers:
            return self.fake.answers[command]
        if command.startswith("vkpeek"):
            self.fake.peeked = command
        answers = {
            "cat /sys/module/kernel/parameters/crash_kexec_post_notifiers": "N",
            "cat /sys/kernel/kexec_crash_loaded": "1",
        }
        return PEEK if command.startswith("vkpeek") else answers.get(command, "")


class FakeAnalyser(Part):
    name = "analyser"

    def clock_hz(self):
        return 2_500_000

    def depth(self):
        return 65536

    def identify(self):
        return {"maker": "vkbench", "model": "VK-LA1", "serial": "0" * 32, "version": "test"}

    def fault(self):
        return self.fake.defect

    def faults(self):
        return self.fake.offered

    def set_fault(self, name):
        self.fake.call(f"set fault {name}")
        self.fake.defect = self.fake.lost or name

    def self_test(self):
        self.fake.call("self test")

    def dma_target(self):
        return (0x1000, 4096)

    def dma_start(self, period, length):
        self.fake.call("dma start")

    def dma_stop(self):
        self.fake.call("dma stop")

    def dma_sequence(self):
        self.fake.call("sequence")
        self.fake.sequence += 100
        return self.fake.sequence

    def arm_on_console(self, text, pretrigger):
        self.fake.call("arm")
        return ArmedTerms("CONSOLE", text, 65536, pretrigger, **self.fake.armed)

    def mark(self, number, name=""):
        self.fake.call(f"mark {number} {name}")

    def state(self):
        return "DONE"

    def stop(self):
        self.fake.call("stop")

    def read_capture(self, progress=None):
        self.fake.call("read capture")
        return CaptureData(b"", "DONE", 0, 0, {"RQ_WR": ClassStatistics(0, 0, 0, 0)})


def run(fake, out, **more):
    return make_run(BENCH, STOCK, out, drivers=fake.drivers(), **more)


FAILURES = [
    ("open bmc", errors.BmcLoginError("the BMC refuses user 'x'")),
    ("open console", errors.ConsoleUnreachable("cannot be opened")),
    ("open analyser", errors.AnalyserSilent("no answer")),
    ("self test", errors.AnalyserSelfTestFailed("ended with 1")),
    ("power on", errors.BmcTimeout("no answer")),
    ("vk-load", errors.CommandFailed("ended with status 1")),
    ("sequence", errors.AnalyserSilent("no answer")),
    ("vk-arm-kdump", errors.CommandFailed("ended with status 1")),
    ("arm", errors.AnalyserNotAsSet("reads back NONE")),
    ("inject", errors.ConsoleDead("the line broke")),
    ("vkpeek", errors.CommandFailed("ended with status 1")),
    ("read capture", errors.AnalyserSilent("no answer")),
    ("event log", errors.BmcTimeout("no answer")),
    ("power off", errors.BmcTimeout("no answer")),
    ("vkpeek", KeyboardInterrupt()),
    ("read capture", KeyboardInterrupt()),
    ("vkpeek", RuntimeError("a defect of ours")),
]


@pytest.mark.parametrize(("where", "error"), FAILURES, ids=[f"{a}-{type(b).__name__}" for a, b in FAILURES])
def test_whatever_fails_the_evidence_is_sealed_and_the_bench_is_quiet(tmp_path, where, error):
    fake = Fake({where: error})
    expected = errors.Interrupted if isinstance(error, KeyboardInterrupt) else type(error)
    with pytest.raises(expected):
        run(fake, tmp_path / "run")
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["status"] == "aborted" and record["abort"]["error"] == expected.__name__
    assert record["finished_utc"] and not record["steps"][-1]["ok"]
    view = RunDirectory.open(tmp_path / "run")
    assert view.sealed and verify(tmp_path / "run").ok
    assert json.loads((tmp_path / "run/verdict.json").read_text())["overall"] == "INCONCLUSIVE"
    assert not fake.on
    opened = [call.split()[1] for call in fake.calls if call.startswith("open ") and call != where]
    assert sorted(fake.closed) == sorted(opened)
    if "analyser" in opened:
        assert "dma stop" in fake.calls


def test_a_panic_that_does_not_come_is_named(tmp_path):
    fake = Fake({f"expect {BENCH.markers.panic}": errors.ConsoleTimeout("not seen")})
    with pytest.raises(errors.NoPanic):
        run(fake, tmp_path / "run")
    assert (tmp_path / "run/capture.vkc").exists(), "what the armed analyser had is evidence too"


def test_a_crash_kernel_that_does_not_come_names_the_last_state(tmp_path):
    fake = Fake({f"expect {BENCH.markers.crash_ready}": errors.ConsoleTimeout("not seen")})
    with pytest.raises(errors.NoCrashKernel, match="last seen state"):
        run(fake, tmp_path / "run")


def test_a_server_that_never_boots_is_named(tmp_path):
    fake = Fake({f"expect {BENCH.server.prompt}": errors.ConsoleTimeout("not seen")})
    with pytest.raises(errors.ServerNeverBooted, match="no prompt"):
        run(fake, tmp_path / "run")


def test_a_silent_card_stops_the_run_before_the_panic(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "DMA_STARTS_WITHIN_S", 0.1)
    monkeypatch.setattr(FakeAnalyser, "dma_sequence", lambda self: 5)
    fake = Fake()
    with pytest.raises(errors.DmaNotRunning, match="from 5 to 5"):
        run(fake, tmp_path / "run")
    assert "inject" not in fake.calls


def test_a_switch_that_does_not_take_stops_the_run_before_the_panic(tmp_path):
    fake = Fake()
    with pytest.raises(errors.KdumpNotArmed, match="reads 'N', set was 'Y'"):
        make_run(BENCH, scenario.SCENARIOS["panic-post-notifiers"], tmp_path / "run", drivers=fake.drivers())
    assert "inject" not in fake.calls


@pytest.mark.parametrize(
    "armed",
    [
        {"qualify": Qualification(taps=("RQ", "MARK"))},
        {"qualify": Qualification(term="TRIG:TERM1:SOUR RQ")},
        {"fold": False},
        {"segments": 4},
    ],
    ids=["taps", "term", "fold", "segments"],
)
def test_an_analyser_that_leaves_something_out_stops_the_run_before_the_panic(tmp_path, armed):
    fake = Fake()
    fake.armed = armed
    with pytest.raises(errors.AnalyserNotAsSet, match="a run needs"):
        run(fake, tmp_path / "run")
    assert "inject" not in fake.calls


def test_a_run_leaves_marks_and_the_read_back_program_in_its_capture(tmp_path, monkeypatch):
    data = CaptureData(
        bytes(32),
        "DONE",
        0,
        0,
        {"RQ_WR": ClassStatistics(0, 0, 0, 0)},
        ":TRIG:CLE;:TRIG:SOUR CONS",
        (SegmentInfo(0, 1, 5, 0),),
    )
    monkeypatch.setattr(FakeAnalyser, "read_capture", lambda self, progress=None: data)
    fake = Fake()
    run(fake, tmp_path / "run")
    marks = [call.removeprefix("mark ") for call in fake.calls if call.startswith("mark ")]
    assert marks == ["1 armed", "2 inject panic", "3 crash kernel up", "4 read memory", "5 stop"]
    assert fake.calls.index("mark 2 inject panic") == fake.calls.index("inject") - 1
    header = vkc.read(tmp_path / "run/capture.vkc").header
    assert header.trigger.program == ":TRIG:CLE;:TRIG:SOUR CONS" and header.fold
    assert [(one.first, one.count, one.armed) for one in header.segments] == [(0, 1, 5)]
    assert header.qualify.term is None and len(header.qualify.taps) == 12


def test_the_steps_of_a_whole_run_and_its_order(tmp_path):
    fake, steps = Fake(), []
    verdict = run(
        fake,
        tmp_path / "run",
        reporter=Reporter(done=steps.append),
        surroundings=Surroundings({"virtual_bench": {"qemu": "x"}}, ["a note"]),
    )
    assert verdict.overall == "INCONCLUSIVE"  # an empty capture proves nothing
    assert [step.name for step in steps] == list(parts.TYPICAL_S)
    assert all(step.ok for step in steps)
    order = ["self test", "power on", "vk-load", "dma start", "vk-arm-kdump", "arm", "inject", "vkpeek"]
    order += ["stop", "read capture", "power off"]
    assert [call for call in fake.calls if call in order] == order
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["inventory"]["card"] == {"build": "test", "seeded defect": "none"}
    assert (
        record["status"] == "complete" and record["abort"] is None and record["bench"]["notes"] == ["a note"]
    )
    dma = {
        "paddr": 0x1000,
        "size": 4096,
        "period_cycles": 1250,
        "length": 64,
        "translated": False,
        "pieces": [],
    }
    assert record["dma"] == dma
    assert verify(tmp_path / "run").ok


MODULE = "/sys/module/bcm_vk"
CARDS = (
    f"for d in {MODULE}/drivers/pci:*/0*; do [ -e $d ] && "
    'echo "${d##*/} $(cat $d/vendor $d/device $d/revision | tr "\\n" " ")"; done; true'
)
TRANSLATE = "vk-translate 0000:03:00.0 0x1000 4096"


def behind_an_iommu(said):
    """A server whose IOMMU translates; ``said``: the answer to the question where the buffer lies."""
    fake = Fake()
    fake.answers = {
        iommu_command(MODULE): "unit dmar0\ndomain DMA-FQ",
        CARDS: "0000:03:00.0 0x14e4 0x5e87 0x01",
        TRANSLATE: said,
    }
    return fake


def test_behind_an_iommu_the_pieces_are_asked_for_and_read(tmp_path):
    fake = behind_an_iommu("0x7000 1024\r\n[  9.1] a kernel message\n0x3000 3072\n")
    run(fake, tmp_path / "run")
    assert fake.peeked == "vkpeek 0x7000 1024 0x3000 3072"
    record = json.loads((tmp_path / "run/run.json").read_text())
    pieces = [{"paddr": 0x7000, "size": 1024}, {"paddr": 0x3000, "size": 3072}]
    assert record["dma"]["translated"] and record["dma"]["pieces"] == pieces
    detail = next(step["detail"] for step in record["steps"] if step["name"] == "start DMA")
    assert "of the IOMMU's, in 2 pieces of memory, the first at 0x7000" in detail


MANY = "".join(f"{0x7000 + 0x100 * i:#x} {63 if i < 64 else 64}\n" for i in range(65))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("0x7000 1024\n", "1 pieces that are not 4096 bytes together"),
        ("cat: /proc/vkbench_iova: No such device or address", "0 pieces"),
        ("0xffffffffffffffff 4096\n", "0 pieces"),  # no memory is there
        ("0x7000 4096\n0x9000 0\n0x9000 1\n", "2 pieces that are not 4096"),
        (MANY, "in 65 pieces of memory, more than the 64"),
    ],
)
def test_a_server_that_cannot_tell_where_the_buffer_lies_ends_no_run(tmp_path, said, why):
    fake = behind_an_iommu(said)
    verdict = run(fake, tmp_path / "run")
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["status"] == "complete" and record["dma"]["pieces"] == [] and not fake.peeked
    assert why in next(step["detail"] for step in record["steps"] if step["name"] == "start DMA")
    memory = next(rule for rule in verdict.rules if rule.id == "VKB-MEM-001")
    assert memory.result == "INCONCLUSIVE" and "did not say where" in memory.reason


def test_the_program_that_reads_takes_as_many_pieces_as_the_run_gives_it():
    source = (ROOT / "fixtures/server/vkpeek.c").read_text()
    assert f"#define MAX_PIECES {parts.MAX_PIECES}\n" in source


#: What a run does while its card is still a good one.
BEFORE_THE_DEFECT = ("open bmc", "open console", "open analyser", "self test", "power on", "vk-load")
BAD = scenario.with_defect(STOCK, "SLIP", ["VKB-JUMP-001"])


def test_a_seeded_defect_is_there_from_the_boot_to_the_power_off(tmp_path):
    fake = Fake()
    verdict = make_run(BENCH, BAD, tmp_path / "run", drivers=fake.drivers())
    order = ["self test", "power on", "set fault SLIP", "arm", "read capture", "set fault None", "power off"]
    assert [call for call in fake.calls if call in order] == order
    record = RunDirectory.open(tmp_path / "run").record
    assert record.must_fail and record.config.defect == "SLIP"
    assert record.config.caught_by == ["VKB-JUMP-001"]
    assert record.inventory["card"] == {"build": "test", "seeded defect": "SLIP"}
    assert verdict.must_fail and not verdict.as_expected
    assert verdict.notes[:2] == [
        "The card had the seeded defect SLIP.",
        "It was not caught by VKB-JUMP-001.",
    ]


@pytest.mark.parametrize(("where", "error"), FAILURES)
def test_a_run_that_fails_takes_its_defect_away(tmp_path, where, error):
    fake = Fake({where: error})
    with pytest.raises((type(error), errors.Interrupted)):
        make_run(BENCH, BAD, tmp_path / "run", drivers=fake.drivers())
    assert fake.defect is None
    assert ("set fault SLIP" in fake.calls) == (where not in BEFORE_THE_DEFECT)


def test_what_an_earlier_run_has_left_in_the_card_is_taken_away_before_anything_else(tmp_path):
    fake, steps = Fake(), []
    fake.defect = "DEAF_HARD"
    run(fake, tmp_path / "run", reporter=Reporter(done=steps.append))
    assert fake.defect is None
    assert fake.calls.index("set fault None") < fake.calls.index("power on")
    left = [step.detail for step in steps if step.name == "take away a left-over defect"]
    assert left == ["DEAF_HARD"]


def test_a_card_that_keeps_its_defect_makes_no_run_of_a_good_card(tmp_path):
    fake = Fake()
    fake.defect = fake.lost = "DEAF_HARD"
    with pytest.raises(errors.AnalyserNotAsSet, match="DEAF_HARD"):
        run(fake, tmp_path / "run")
    assert "power on" not in fake.calls


def test_a_defect_that_went_in_mid_run_ends_it(tmp_path):
    fake = Fake()

    def forget(name):
        if name == "read capture":
            fake.defect = None

    with pytest.raises(errors.AnalyserNotAsSet, match="seeded defect is none, this run's is SLIP"):
        reporter = Reporter(step=forget)
        make_run(BENCH, BAD, tmp_path / "run", drivers=fake.drivers(), reporter=reporter)


@pytest.mark.parametrize(("offered", "said"), [((), "release build"), (("CUT",), "there are CUT")])
def test_a_defect_that_the_card_cannot_show_is_refused(tmp_path, offered, said):
    fake = Fake()
    fake.offered = offered
    with pytest.raises(errors.NoSuchDefect, match=said):
        make_run(BENCH, BAD, tmp_path / "run", drivers=fake.drivers())
    assert "power on" not in fake.calls


def test_a_folder_with_something_in_it_is_a_users_mistake(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(errors.UserError, match="not empty"):
        run(Fake(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_killed_run_says_so_itself(tmp_path):
    """run.json exists from the first moment, and says "aborted" until the run is complete."""
    seen = []

    def look(name):
        record = json.loads((tmp_path / "run/run.json").read_text())
        seen.append((record["status"], record["abort"]["error"]))

    run(Fake(), tmp_path / "run", reporter=Reporter(step=look))
    assert set(seen) == {("aborted", "Killed")}


def test_evidence_that_cannot_be_written_is_a_bench_error(tmp_path, monkeypatch):
    def broken(*_):
        raise EvidenceError("disk full")

    monkeypatch.setattr(RunDirectory, "write_capture", broken)
    with pytest.raises(errors.BenchError, match="disk full"):
        run(Fake(), tmp_path / "run")


def test_the_uncertainty_of_a_real_uart_is_its_fifo_and_its_last_character():
    lab = load(ROOT / "fixtures/benches/lab-example.toml")
    found = uncertainty(lab, 100_000_000)
    assert found.console_s == pytest.approx(17 * 10 / 115200)
    assert found.order_s == 4 / 100e6 and found.clock_ppm == 50
    assert sum(source.value_s for source in found.sources) == pytest.approx(found.console_s + found.order_s)


def test_the_uncertainty_of_the_virtual_bench_is_the_batch_of_its_loop():
    found = uncertainty(BENCH, 2_500_000)
    assert found.console_s == 0 and found.order_s == pytest.approx((512 + 4) / 2.5e6)
    assert uncertainty(BENCH, None).order_s == 0


def test_peek_lines_become_memory_json():
    memory = parse_peek(PEEK, "vkpeek")
    assert memory["interval_ms"] == 1000 and len(memory["reads"]) == 2 and memory["differs"] is False


@pytest.mark.parametrize("text", ['{"error":"no PT_LOAD"}', "", '{"read":1', PEEK.rpartition("\n")[0]])
def test_a_peek_that_failed_is_named(text):
    with pytest.raises(errors.CommandFailed):
        parse_peek(text, "vkpeek 0 0")


def follow(*pieces):
    tracker = StateTracker(BENCH.server, BENCH.markers)
    tracker.powered(True)
    seen = [tracker.state]
    for piece in pieces:
        tracker(piece)
        if tracker.state is not seen[-1]:
            seen.append(tracker.state)
    return seen


CRASH = b"Linux version 6.1\nvkbench# Kernel panic - not syncing: x\nI'm in purgatory\nLinux version 6.1\n"
CRASH += b"vkbench: crash kernel ready\nvkbench-crash# Linux version 6.1\nvkbench# "
STATES = [State.FIRMWARE, State.KERNEL, State.OS, State.PANIC, State.JUMPED, State.CRASH_KERNEL]
STATES += [State.CRASH_SHELL, State.KERNEL, State.RECOVERED]


def test_states_are_recognised_byte_by_byte():
    assert follow(*(CRASH[i : i + 1] for i in range(len(CRASH)))) == STATES


def test_states_are_recognised_in_one_piece():
    assert follow(CRASH)[-1] is State.RECOVERED


def test_a_text_out_of_its_place_is_no_state():
    assert follow(b"I'm in purgatory vkbench: crash kernel ready") == [State.FIRMWARE]


def test_a_login_prompt_is_answered(tmp_path, monkeypatch):
    text = VIRTUAL.read_text().replace("[bmc]", '[server.login]\nuser = "root"\n\n[bmc]')
    bench = parse(text.encode(), tmp_path / "b.toml")
    asked = []

    def log_in(console, login, prompt, limit, start=None):
        asked.append((login.user, prompt, start))

    monkeypatch.setattr("vkbench.server.server.log_in", log_in)
    make_run(bench, STOCK, tmp_path / "run", drivers=Fake().drivers())
    assert asked == [("root", BENCH.server.prompt, 0)]
