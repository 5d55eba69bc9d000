# SPDX-License-Identifier: Apache-2.0
"""Commands in real shells (bash with its line editor, dash, busybox) give their own output or an error, whatever else is
on the line.
"""

import itertools
import time
from difflib import SequenceMatcher
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of
from hypothesis import strategies as st
from shell_peers import PROMPT, SHELLS, on_terminal

from vkbench import errors
from vkbench.config.model import Console
from vkbench.instruments import SerialConsole, command
from vkbench.instruments.shell_text import clean, without_kernel

LIMIT_S = 10.0


def console_of(port):
    return SerialConsole(Console(url=f"socket://127.0.0.1:{port}"))


@pytest.fixture(
    params=[(name, echo) for name in SHELLS for echo in (True, False)],
    ids=lambda param: f"{param[0]}, {'echo' if param[1] else 'no echo'}",
)
def console(request):
    """A real shell on a terminal of 80 columns."""
    name, echo = request.param
    with on_terminal(SHELLS[name], echo=echo) as port, console_of(port) as line:
        line.expect(PROMPT, LIMIT_S)
        yield line


def test_a_command_gives_its_output_only(console):
    assert console.run("echo two words", PROMPT, LIMIT_S) == "two words"
    assert console.run("true", PROMPT, LIMIT_S) == ""
    assert console.run("printf no-newline", PROMPT, LIMIT_S) == "no-newline"
    assert console.run("printf 'a\\n\\n  b\\n'", PROMPT, LIMIT_S) == "a\n\n  b"
    assert console.run(f"echo {'wrapped ' * 40}", PROMPT, LIMIT_S) == ("wrapped " * 40).strip()


def test_a_failed_command_is_named_with_its_status(console):
    with pytest.raises(errors.CommandFailed, match="ended with status 3"):
        console.run("(exit 3)", PROMPT, LIMIT_S)
    assert console.run("echo alive", PROMPT, LIMIT_S) == "alive"


def test_a_command_longer_than_a_terminals_line_arrives_whole(console):
    text = "".join(f"{number:05d}," for number in range(1000))
    assert (
        console.run(f"x=kept; printf %s {text} | sha256sum", PROMPT, LIMIT_S).split()[0]
        == sha256(text.encode()).hexdigest()
    )
    assert console.run("echo $x", PROMPT, LIMIT_S) == "kept"  # in the shell itself, not in a child of it


def test_a_long_output_is_whole(console):
    said = console.run("i=0; while [ $i -lt 9000 ]; do echo line-$i; i=$((i+1)); done", PROMPT, 2 * LIMIT_S)
    assert said == "\n".join(f"line-{number}" for number in range(9000))


def test_a_late_answer_is_not_taken_for_another_commands(console):
    with pytest.raises(errors.ConsoleTimeout, match="sleep"):
        console.run("sleep 0.5; echo late", PROMPT, 0.1)
    assert console.run("echo mine", PROMPT, LIMIT_S) == "mine"


def test_a_half_typed_line_does_not_reach_the_next_command(console):
    # The newline is lost: the command never ends, and must not run together with the next one.
    console._shell._dirty = True
    console.send("echo rest of an old line")
    assert console.run("echo mine", PROMPT, LIMIT_S) == "mine"
    assert "rest of an old line\r\nmine" not in console.text()


def test_a_command_that_hangs_is_named_in_time(console):
    begin = time.monotonic()
    with pytest.raises(errors.ConsoleTimeout, match="sleep"):
        console.run("sleep 60", PROMPT, 0.3)
    assert time.monotonic() - begin < 3


KERNEL = b"[   12.345678] usb 1-1: new high-speed USB device number 2 using xhci_hcd\r\n"
HARMLESS = [KERNEL, b"\0", b"\r", b"\x1b[0;32m", b"\x1b[?2004h", b"\x1b]0;title\x07", b"\x07", b"\x1b[K"]


class Noise:
    """Damages the bytes of one command's answer: (offset, bytes put in, bytes left out)."""

    def __init__(self):
        self.where, self.at = [], 0

    def begin(self, where):
        self.at, self.where = 0, sorted(where)

    def __call__(self, data):
        out = b""
        for byte in data:
            for offset, put, leave in self.where:
                if offset == self.at:
                    out += put
                    byte = None if leave else byte
            out += b"" if byte is None else bytes([byte])
            self.at += 1
        return out


@pytest.fixture(scope="module", params=["bash", "dash"])
def noisy(request):
    noise = Noise()
    patch = pytest.MonkeyPatch()
    patch.setattr(command, "PROMPT_S", 0.5)  # what is waited for a prompt that noise has eaten
    patch.setattr(command, "ANSWER_S", 0.8)
    request.addfinalizer(patch.undo)
    with on_terminal(SHELLS[request.param], out=noise) as port, console_of(port) as line:
        line.expect(PROMPT, LIMIT_S)
        yield line, noise


noises = settings_of(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
numbers = itertools.count(100_000)


@noises
@given(where=st.lists(st.tuples(st.integers(0, 330), st.sampled_from(HARMLESS), st.just(False)), max_size=4))
def test_text_from_elsewhere_changes_no_output(noisy, where):
    console, noise = noisy
    one, two = next(numbers), next(numbers)
    noise.begin(where)
    assert console.run(f"echo {one}; echo {two}", PROMPT, LIMIT_S) == f"{one}\n{two}"


DAMAGE = (
    st.integers(0, 330),
    st.sampled_from([b"", b"\xff", b"\xc3", b"x", b"0", b"\n", *HARMLESS]),
    st.booleans(),
)


@noises
@given(where=st.lists(st.tuples(*DAMAGE), min_size=1, max_size=2))
def test_damaged_bytes_make_an_error_or_show_in_that_commands_own_output(noisy, where):
    console, noise = noisy
    one, two = next(numbers), next(numbers)
    noise.begin(where)
    try:
        said = console.run(f"echo {one}; echo {two}", PROMPT, 1.0)
    except (errors.ConsoleTimeout, errors.ConsoleGarbled):
        return
    # Not more of it is missing than was damaged, and nothing of another command is in it.
    kept = SequenceMatcher(None, f"{one}\n{two}", said, autojunk=False).get_matching_blocks()
    assert sum(block.size for block in kept) >= 13 - len(where)
    assert not any(str(number) in said for number in range(one - 20, one))


def test_a_garbled_piece_of_a_long_command_is_sent_again(tmp_path):
    garble = [True]

    def into(data):
        if garble and b"victim" in data:
            garble.clear()
            return data.replace(b"victim", b"wictim")
        return data

    with on_terminal(SHELLS["dash"], into=into) as port, console_of(port) as console:
        console.expect(PROMPT, LIMIT_S)
        console.run(f"{': ' * 2100}; touch {tmp_path}/victim", PROMPT, LIMIT_S)
    assert [file.name for file in tmp_path.iterdir()] == ["victim"]


def test_escapes_and_kernel_messages_are_taken_away():
    text = "\x1b[0;32m  OK  \x1b[0m] St\x00ar\x1b]0;t\x07ted\r\nab[   12.345678] usb\r\ncd[    1.000000][  T123] x\n\x1b[?2\x1b[K004lend"
    assert clean(text) == "  OK  ] Started\nab[   12.345678] usb\ncd[    1.000000][  T123] x\nend"
    assert without_kernel(clean(text)) == "  OK  ] Started\nabcdend"
