# SPDX-License-Identifier: Apache-2.0
"""The bench file: good ones load, and each mistake is named with file, line and what is allowed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vkbench.capture import layout
from vkbench.config import document, load, model, parse
from vkbench.config.lines import key_lines
from vkbench.errors import BenchFileError, SecretError

ROOT = Path(__file__).resolve().parents[2]
BENCHES = ROOT / "fixtures" / "benches"
GOOD = (BENCHES / "virtual.toml").read_text()


def problems(text: str) -> list[str]:
    with pytest.raises(BenchFileError) as caught:
        parse(text.encode(), Path("b.toml"))
    assert caught.value.exit_code == 3
    return caught.value.problems


def line_in(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


@pytest.mark.parametrize("name", ["virtual", "lab-example"])
def test_the_shipped_bench_files_are_valid(name):
    bench = load(BENCHES / f"{name}.toml")
    assert bench.markers.panic == "Kernel panic - not syncing"
    assert bench.markers.jump == "I'm in purgatory"


def test_the_lab_example_is_a_real_bench_with_no_secret_in_it():
    bench = load(BENCHES / "lab-example.toml")
    assert bench.provider is None and bench.virtual is None
    assert bench.bmc.password.env and bench.server.login.password.env


def test_arm64_has_markers_of_its_own_and_one_can_be_replaced():
    text = changed('arch = "x86_64"', 'arch = "aarch64"') + '\n[markers]\ncrash_ready = "kdump up"\n'
    bench = parse(text.encode(), Path("b.toml"))
    assert bench.markers.jump == "Bye!" and bench.markers.crash_ready == "kdump up"


def test_an_unknown_key_is_named_with_its_line_the_allowed_ones_and_a_guess():
    text = changed("[console]", "[console]\nbaudrate = 9600")
    (problem,) = problems(text)
    assert problem.startswith(f"b.toml:{line_in(text, 'baudrate')}: ")
    assert (
        "'baudrate'" in problem and "did you mean baud?" in problem and "url, baud, open_timeout_s" in problem
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("clock_hz = 2_500_000", 'clock_hz = "fast"', ["virtual.clock_hz", "integer", "'fast'"]),
        ('arch = "x86_64"', 'arch = "mips"', ["server.arch", "'x86_64' or 'aarch64'", "'mips'"]),
        ("length = 64", "length = 65", ["dma.length", "multiple of 8", "65"]),
        ("length = 64", "length = 4096", ["dma.length", "256"]),
        ("port = 26230", "port = 70000", ["bmc.port", "65535"]),
        ("boot_timeout_s = 180.0", "boot_timeout_s = -1", ["server.boot_timeout_s", "greater than 0"]),
        ('url = "socket://127.0.0.1:26231"', 'url = "telnet://x"', ["console.url", "/dev/NAME"]),
        ('url = "socket://127.0.0.1:26231"', 'url = "socket://127.0.0.1"', ["console.url", "port"]),
        ('resource = "TCPIP', 'resource = "GPIB0::1', ["analyser.resource", "SOCKET"]),
        ('name = "virtual"', 'name = "Rack 4/7"', ["name", "pattern"]),
        ("clock_ppm = 0.0", "clock_ppm = nan", ["uncertainty.clock_ppm"]),
    ],
)
def test_a_wrong_value_is_named_with_its_line_and_what_is_allowed(old, new, words):
    text = changed(old, new)
    (problem,) = problems(text)
    assert problem.startswith(f"b.toml:{line_in(text, new)}: ")
    for word in words:
        assert word in problem


def test_a_missing_key_points_at_its_table():
    (problem,) = problems(changed('host = "127.0.0.1"\n', ""))
    assert problem.startswith(f"b.toml:{line_in(GOOD, '[bmc]')}: ") and "bmc.host" in problem


def test_all_mistakes_are_named_at_once():
    assert len(problems(changed("length = 64", "lenght = 64\nperiod = 1"))) == 2


def test_broken_toml_names_line_and_column():
    (problem,) = problems(changed("[dma]", "[dma"))
    assert problem.startswith(f"b.toml:{line_in(GOOD, '[dma]')}: column ")


def test_bytes_that_are_no_text_name_the_line():
    with pytest.raises(BenchFileError) as caught:
        parse(b'name = "x"\n\xff\n', Path("b.toml"))
    assert caught.value.problems[0].startswith("b.toml:2:")


@pytest.mark.parametrize(
    "value", ['"hunter2"', '{ plain = "hunter2" }', '{ env = "A", file = "hunter2" }', "{ }"]
)
def test_a_password_in_the_file_is_refused_and_never_shown(value):
    line = next(line for line in GOOD.splitlines() if line.startswith("password"))
    text = GOOD.replace(line, f"password = {value}")
    found = problems(text)
    assert all(problem.startswith(f"b.toml:{line_in(text, 'password =')}: ") for problem in found)
    assert "hunter2" not in "\n".join(found)
    if value.startswith('"'):
        assert "never written" in found[0] and "env" in found[0] and "file" in found[0]


def test_secrets_come_from_the_environment_or_a_file_beside_the_bench_file(tmp_path, monkeypatch):
    line = next(line for line in GOOD.splitlines() if line.startswith("password"))
    path = tmp_path / "b.toml"
    path.write_text(GOOD.replace(line, 'password = { file = "secret" }'))
    with pytest.raises(SecretError, match="secret"):
        load(path).bmc.password.read()
    (tmp_path / "secret").write_text("s3cret\n")
    assert load(path).bmc.password.read() == "s3cret"
    (tmp_path / "secret").write_text("\n")
    with pytest.raises(SecretError, match="empty"):
        load(path).bmc.password.read()
    path.write_text(GOOD.replace(line, 'password = { env = "VKBENCH_TEST_SECRET" }'))
    with pytest.raises(SecretError, match="VKBENCH_TEST_SECRET"):
        load(path).bmc.password.read()
    monkeypatch.setenv("VKBENCH_TEST_SECRET", "fr0m env")
    bench = load(path)
    assert bench.bmc.password.read() == "fr0m env"
    assert "fr0m env" not in repr(bench)


def test_the_virtual_table_needs_its_provider():
    (problem,) = problems(changed('provider = "virtual"\n', ""))
    text = changed('provider = "virtual"\n', "")
    assert problem.startswith(f"b.toml:{line_in(text, '[virtual]')}: ") and "provider" in problem


def test_a_marker_that_the_trigger_cannot_hold_is_refused():
    assert model.TRIGGER_TEXT_MAX == layout.TRIGGER_TEXT_MAX
    text = GOOD + f'\n[markers]\npanic = "{"x" * (layout.TRIGGER_TEXT_MAX + 1)}"\n'
    (problem,) = problems(text)
    assert "markers.panic" in problem and "32" in problem


def test_a_missing_file_is_a_users_mistake(tmp_path):
    with pytest.raises(BenchFileError, match="cannot be read"):
        load(tmp_path / "none.toml")


def test_the_scan_for_lines_knows_tables_dotted_keys_inline_tables_and_long_values():
    text = 'a = 1\n[t.u]\n"b c" = """\nfake = 1\n"""\nx.y = 2\nlist = [\n  1,\n  [2],\n]\nin = { k = 1, l = 2 }\n'
    lines = key_lines(text)
    assert lines[("a",)] == 1 and lines[("t", "u")] == 2 and lines[("t", "u", "b c")] == 3
    assert lines[("t", "u", "x", "y")] == 6 and lines[("t", "u", "list")] == 7
    assert lines[("t", "u", "in")] == 11 and lines[("t", "u", "in", "l")] == 11
    assert ("t", "u", "fake") not in lines


@given(st.text(max_size=300))
def test_any_text_is_either_a_bench_or_a_named_mistake(text):
    try:
        parse(text.encode("utf-8", "surrogatepass"), Path("b.toml"))
    except BenchFileError as error:
        assert all(problem.startswith("b.toml") for problem in error.problems)


@given(st.integers(0, len(GOOD) - 1), st.characters(codec="ascii"))
def test_a_bench_file_with_one_changed_character_is_either_valid_or_a_named_mistake(at, character):
    try:
        parse((GOOD[:at] + character + GOOD[at + 1 :]).encode(), Path("b.toml"))
    except BenchFileError as error:
        assert all(problem.startswith("b.toml") for problem in error.problems)


def test_the_page_about_bench_files_is_the_one_that_the_model_gives():
    assert (ROOT / "docs" / "bench-file.md").read_text() == document.render(), (
        "run: python -m vkbench.config.document > docs/bench-file.md"
    )
