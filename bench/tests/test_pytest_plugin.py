# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin in sessions of its own (pytester), on bench files whose wires lead nowhere."""

import json
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path
from xml.etree import ElementTree

import pytest

# pytester forgets what its sessions import: whatever is patched here, or is slow to import, is there before.
import vkbench.cli
import vkbench.server.injections
import vkbench.server.run  # noqa: F401
from vkbench import config, errors, instruments
from vkbench.instruments import lock
from vkbench.pytest_plugin import runs as plugin_runs
from vkbench.verdict import Verdict

pytest_plugins = ["pytester"]
ROOT = Path(__file__).resolve().parents[2]
CAPTURES = ROOT / "fixtures/captures"
CLIENT = (ROOT / "fixtures/benches/virtual-client.toml").read_text()
PLUGIN = ["-p", "vkbench.pytest_plugin", "-p", "no:cacheprovider", "-rA"]


@pytest.fixture(autouse=True)
def locks(tmp_path, monkeypatch):
    """Locks of this test's own."""
    folder = tmp_path / "locks"
    folder.mkdir()
    monkeypatch.setenv(lock.FOLDER_VARIABLE, str(folder))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # it takes longer than the sessions


@pytest.fixture
def bench_file(pytester):
    """bench_file("one", server="features = […]", end="[power] …") -> path of a bench file with wires of its own."""
    made = []

    def write(name="one", server="", end="", arch="x86_64"):
        number = len(made) + 1
        text = CLIENT.replace('name = "virtual"', f'name = "{name}"').replace("x86_64", arch)
        text = text.replace("127.0.0.1", f"127.0.0.{number}").replace("[server]\n", f"[server]\n{server}\n")
        made.append(pytester.path / f"{name}-{number}.toml")
        made[-1].write_text(text + end)
        return made[-1]

    return write


@pytest.fixture
def session(pytester):
    """session("-q", …) -> the result of pytest in this process."""
    return lambda *words: pytester.runpytest_inprocess(*PLUGIN, *words)


@pytest.fixture
def process(pytester):
    """As session, in a process of its own, which xdist needs."""
    return lambda *words: pytester.runpytest_subprocess(*PLUGIN, "-p", "xdist", *words)


@pytest.fixture
def recorded_runs(monkeypatch):
    """Runs are copies of recorded ones; one of the title `fails` ends as a server that never boots does."""

    def run(bench, scenario, out, surroundings=None, reporter=None, drivers=None):
        shutil.copytree(CAPTURES / scenario.name, out, dirs_exist_ok=True)
        if scenario.title == "fails":
            record = json.loads((out / "run.json").read_text())
            record |= {"status": "aborted", "abort": {"error": "ServerNeverBooted", "detail": "no prompt"}}
            (out / "run.json").write_text(json.dumps(record))
            (out / "verdict.json").unlink()
            raise errors.ServerNeverBooted("no prompt", "server")
        return Verdict.model_validate_json((out / "verdict.json").read_text())

    monkeypatch.setattr("vkbench.server.run.run", run)


# ---- options, skips --------------------------------------------------------------------------------------------------


def test_without_a_bench_other_tests_run_and_a_bench_test_says_what_is_missing(pytester, session):
    pytester.makepyfile("def test_plain(): pass\ndef test_bench(bench): pass")
    result = session()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*say which bench: pytest * --bench FILE.toml*"])


def test_a_mistake_in_the_bench_file_ends_the_session_at_once(pytester, session, bench_file):
    pytester.makepyfile("def test_plain(): pass")
    path = bench_file(server="promt = 'x'")
    result = session("--bench", path)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *{path.name}:*promt*did you mean prompt*"])


def test_the_bench_s_fixtures_agree(pytester, session, bench_file):
    pytester.makepyfile(
        """
        def test_it(bench, bench_file, bench_table, request):
            assert bench.name == bench_table["name"] == "one"
            assert bench.path == bench_file and bench_file.name == "one-1.toml"
        """
    )
    result = session("--bench", bench_file().name)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["vkbench: bench one (*one-1.toml); evidence in *runs/pytest-*"])
    assert not (pytester.path / "runs").exists(), "a session without evidence made a folder"


MARKED = """
import pytest
@pytest.mark.needs_power
def test_power(): pass
@pytest.mark.needs_ssh
def test_ssh(): pass
@pytest.mark.needs_iommu
def test_iommu(): pass
@pytest.mark.needs("break")
def test_break(): pass
@pytest.mark.needs("ipmi", "provider")
def test_provider(): pass
@pytest.mark.needs("two-nodes")
def test_word(): pass
@pytest.mark.arch("aarch64", "riscv64")
def test_arch(): pass
@pytest.mark.destructive
def test_destructive(): pass
def test_plain(): pass
"""


def outcomes(result):
    """Name of each test -> PASSED or why it was skipped."""
    found = dict.fromkeys(re.findall(r"^PASSED \S+::(\w+)", result.stdout.str(), re.M), "PASSED")
    text = result.stdout.str()
    lines = MARKED.strip().splitlines()
    for number, reason in re.findall(r"^SKIPPED \[1\] \S+?:(\d+): (.+)$", text, re.M):
        name = next(line for line in lines[int(number) - 1 :] if line.startswith("def"))
        found[re.match(r"def (\w+)", name)[1]] = reason
    return found


def test_what_a_bench_does_not_have_is_skipped_and_says_why(pytester, session, bench_file):
    pytester.makepyfile(MARKED)
    found = outcomes(session("--strict-markers", "--bench", bench_file()))
    assert found.pop("test_plain") == "PASSED"
    words = {
        "test_power": "has no [power]",
        "test_ssh": "has no [server.ssh]",
        "test_iommu": "has no 'iommu' in [server] features",
        "test_break": "carries no BREAK",
        "test_provider": "names no provider",
        "test_word": "has no 'two-nodes' in [server] features",
        "test_arch": "is x86_64; the test is for aarch64, riscv64",
        "test_destructive": "--destructive",
    }
    assert set(found) == set(words)
    for name, word in words.items():
        assert word in found[name] and "bench one" in found[name], found[name]


def test_what_a_bench_has_is_run(pytester, session, bench_file):
    pytester.makepyfile(MARKED)
    end = '[power]\nresource = "TCPIP::192.0.2.1::INSTR"\n[server.ssh]\nhost = "192.0.2.1"\nkey = "id"\n'
    path = bench_file(server='features = ["iommu", "two-nodes"]', arch="aarch64", end=end)
    path.write_text(re.sub("socket://.*:26231", "/dev/ttyUSB7", path.read_text()))
    found = outcomes(session("--bench", path, "--destructive"))
    assert "names no provider" in found.pop("test_provider")
    assert set(found.values()) == {"PASSED"} and len(found) == 8


def test_a_throw_away_server_needs_no_destructive(pytester, session, bench_file):
    pytester.makepyfile(MARKED)
    path = bench_file()
    path.write_text(path.read_text().replace('name = "one"', 'name = "one"\nprovider = "virtual"'))
    found = outcomes(session("--bench", path))
    assert found["test_destructive"] == found["test_provider"] == "PASSED"


def test_an_altered_bench_keeps_its_relative_paths(pytester, session, bench_file):
    path = bench_file()
    path.write_text(path.read_text().replace('env = "VKBENCH_BMC_PASSWORD"', "file = 'secret/bmc'"))
    pytester.makepyfile(
        """
        from vkbench import config
        def test_it(altered_bench, bench):
            altered = config.load(altered_bench({"length = 64": "length = 128"}))
            assert (bench.dma.length, altered.dma.length) == (64, 128)
            assert altered.bmc.password.path == bench.bmc.password.path
            assert altered.path != bench.path
        """
    )
    session("--bench", path).assert_outcomes(passed=1)


# ---- evidence --------------------------------------------------------------------------------------------------------

JUDGED = """
import pytest
def test_good(judged_run):
    run = judged_run("panic-post-notifiers")
    assert run.overall == "PASS" and run.rule("Halt latency").result == "PASS"
    assert run.record.scenario == "panic-post-notifiers" and run.path.parent.name.startswith("test_judged.test_good")
def test_bad(judged_run):
    assert judged_run("panic-stock").overall == "PASS"
def test_no_boot(judged_run):
    judged_run("panic-stock", title="fails")
"""


def test_a_failed_test_shows_its_run(pytester, session, bench_file, recorded_runs):
    pytester.makepyfile(test_judged=JUDGED)
    result = session("--bench", bench_file(), "--runs", "evidence", "--junitxml=junit.xml")
    result.assert_outcomes(passed=1, failed=2)
    text = result.stdout.str()
    bad = text[text.index("_ test_bad _") : text.index("_ test_no_boot _")]
    folder = pytester.path / "evidence/test_judged.test_bad/panic-stock"
    assert f"folder: {folder}" in bad and (folder / "capture.vkc").exists()
    assert "No request after the jump" in bad and "FAIL, as it must" in bad
    tail = (folder / "console.log").read_text().splitlines()[-40:]
    assert "console, the last 40 of" in bad and tail[0] in bad and tail[-1] in bad
    no_boot = text[text.index("_ test_no_boot _") : text.index("= PASSES =")]
    assert "aborted, ServerNeverBooted: no prompt" in no_boot
    assert "vkbench evidence" not in text[text.index("= PASSES =") :]
    cases = ElementTree.parse(pytester.path / "junit.xml").iter("testcase")
    found = {
        case.get("name"): {p.get("name"): p.get("value") for p in case.iter("property")} for case in cases
    }
    assert found["test_bad"] == {"vkbench_run": str(folder), "vkbench_outcome": "FAIL"}
    assert found["test_good"]["vkbench_outcome"] == "PASS"
    assert found["test_no_boot"]["vkbench_outcome"] == "ServerNeverBooted"


def test_evidence_of_good_tests_goes_when_only_the_failed_are_kept(
    pytester, session, bench_file, recorded_runs
):
    pytester.makepyfile(test_judged=JUDGED)
    session("--bench", bench_file(), "--runs", "evidence", "--keep-runs", "failed")
    assert {path.name for path in (pytester.path / "evidence").iterdir()} == {
        "test_judged.test_bad",
        "test_judged.test_no_boot",
    }


SHARED = """
import pytest
@pytest.fixture(scope="module")
def run(shared_run):
    return shared_run("panic-stock")
def test_one(run): assert run.overall == "FAIL"
def test_two(run): assert run.overall == WANTED
"""


@pytest.mark.parametrize("wanted", ["PASS", "FAIL"])
def test_a_run_that_tests_share_is_kept_and_shown_while_one_of_them_fails(
    pytester, session, bench_file, recorded_runs, wanted
):
    pytester.makepyfile(
        test_shared=SHARED.replace("WANTED", repr(wanted)), test_other="def test_no(): assert 0"
    )
    result = session("--bench", bench_file(), "--runs", "evidence", "--keep-runs", "failed")
    folder = pytester.path / "evidence/test_shared/panic-stock"
    assert folder.exists() == (wanted == "PASS")
    text = result.stdout.str()
    assert text.count(f"folder: {folder}") == (wanted == "PASS"), (
        "shown with the test that failed, and only there"
    )


def test_a_second_session_never_mixes_its_evidence_with_the_first_one_s(
    pytester, session, bench_file, recorded_runs
):
    pytester.makepyfile(test_shared=SHARED.replace("WANTED", "'FAIL'"), test_judged=JUDGED)
    path = bench_file()
    for _ in range(2):
        session("--bench", path, "--runs", "evidence").assert_outcomes(passed=3, failed=2)
    names = {path.name for path in (pytester.path / "evidence").iterdir()}
    assert {"test_shared", "test_shared-2", "test_judged.test_good", "test_judged.test_good-2"} <= names


def test_a_run_of_the_command_is_evidence_too(pytester, session, bench_file):
    pytester.makepyfile(
        """
        import os
        def test_it(vkbench, run_directory):
            os.environ["VKBENCH_BMC_PASSWORD"] = "a-word-for-tests"
            assert vkbench("run", "panic-stock", "--bench", vkbench.bench, "--out", run_directory).code == 0
        """
    )
    path = bench_file()
    text = path.read_text().replace('host = "127.0.0.1"', 'host = "127.0.0.1"\ntimeout_s = 0.1')
    path.write_text(text.replace("[analyser]", "[analyser]\ntimeout_s = 0.1"))
    result = session("--bench", path, "--runs", "evidence")
    result.assert_outcomes(failed=1)
    assert "panic-stock on bench one: aborted, " in result.stdout.str()


def test_links_go_into_pytest_html_when_it_is_there(
    pytester, session, bench_file, recorded_runs, monkeypatch
):
    module = types.ModuleType("pytest_html")
    module.extras = types.SimpleNamespace(url=lambda url, name: (name, url))
    monkeypatch.setitem(sys.modules, "pytest_html", module)
    pytester.makeconftest(
        """
        class Html: pass
        def pytest_configure(config): config.pluginmanager.register(Html(), "html")
        def pytest_runtest_logreport(report):
            if report.failed: print("extras:", report.extras)
        """
    )
    pytester.makepyfile(test_judged=JUDGED)
    result = session("--bench", bench_file(), "--runs", "evidence", "-s", "-k", "bad")
    assert f"extras: [('panic-stock', '{(pytester.path / 'evidence').as_uri()}/" in result.stdout.str()


def test_folder_names_are_safe_and_tell_tests_apart():
    name = plugin_runs.folder_name
    assert name("host_tests/test_a.py::TestX::test_b[stock]") == "host_tests.test_a.TestX.test_b-stock"
    odd = [name(f"t.py::test[{word}]") for word in ("a/../../b", "a b", "a_b", "ä", "x" * 300, "x" * 301, "")]
    assert len(set(odd)) == len(odd)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._=-]*", one) and len(one) < 140 for one in odd)


# ---- instruments -----------------------------------------------------------------------------------------------------

FAKES = """
import os
import vkbench.instruments as instruments
log = []
class Fake:
    def __init__(self, name): self.name = name
    def __enter__(self): log.append("open " + self.name); return self
    def __exit__(self, *_): log.append("close " + self.name)
    def is_on(self): return True
    def power_off(self): log.append("power off")
    def dma_stop(self): log.append("dma stop")
    def state(self): return "IDLE"
    position = 0
instruments.open_bmc = lambda bench: Fake("bmc")
instruments.open_analyser = lambda bench: Fake("analyser")
def console(bench, *sinks):
    sinks[0](b"one\\r\\ntwo")
    return Fake("console")
instruments.open_console = console
def pytest_sessionfinish(): print("log:", "; ".join(log))
"""


@pytest.fixture
def real_openers(monkeypatch):
    """FAKES replaces them in this process; they are put back afterwards."""
    for name in ("open_bmc", "open_analyser", "open_console"):
        monkeypatch.setattr(instruments, name, getattr(instruments, name))


def test_instruments_open_when_asked_for_and_leave_a_quiet_bench(pytester, session, bench_file, real_openers):
    pytester.makeconftest(FAKES)
    pytester.makepyfile(
        test_a="""
        def test_one(bmc): pass
        def test_two(analyser, server, console): assert 0
        """,
        test_b="def test_three(bmc): pass",
        test_c="def test_four(power): pass",
    )
    result = session("--bench", bench_file(), "--runs", "evidence", "-s")
    result.assert_outcomes(passed=2, failed=1, skipped=1)
    said = re.search("log: (.*)", result.stdout.str())[1].split("; ")
    first, second = said[: said.index("close bmc") + 1], said[said.index("close bmc") + 1 :]
    assert first[0] == "open bmc" and {"open analyser", "open console", "dma stop"} < set(first)
    assert first[-2:] == ["power off", "close bmc"] and first.count("open bmc") == 1
    assert second == ["open bmc", "power off", "close bmc"]
    assert "console, the last 2 of 2 lines:" in result.stdout.str()
    assert (pytester.path / "evidence/test_a/console/console.raw").read_bytes() == b"one\r\ntwo"


def test_a_run_beside_open_instruments_is_refused(pytester, session, bench_file, real_openers, recorded_runs):
    pytester.makeconftest(FAKES)
    pytester.makepyfile("def test_it(bmc, judged_run): judged_run('panic-stock')")
    result = session("--bench", bench_file())
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*this module's fixtures have bmc open*"])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("judged_run('panik')", "*unknown scenario 'panik'; allowed: *panic-stock*"),
        ("judged_run('panic-stock', injection='nmy')", "*nmy*"),
        ("judged_run('panic-stock', speed=3)", "*unknown options speed; allowed: bench, *post_notifiers*"),
    ],
)
def test_a_wrong_run_says_what_is_allowed(pytester, session, bench_file, recorded_runs, call, said):
    pytester.makepyfile(f"def test_it(judged_run): {call}")
    result = session("--bench", bench_file())
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([said])


# ---- the lock --------------------------------------------------------------------------------------------------------


def test_a_bench_that_another_session_has_is_waited_for_and_then_refused(pytester, session, bench_file):
    path = bench_file()
    pytester.makepyfile("def test_it(lab): pass")
    code = "import fcntl, sys\nf = [open(p, 'a') for p in sys.argv[1:]]\n[fcntl.flock(x, 2) for x in f]\nprint()\nsys.stdin.read()"
    files = [str(lock._path(wire)) for wire in lock.wires(config.load(path))]
    with subprocess.Popen(
        [sys.executable, "-uc", code, *files], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        other.stdout.readline()
        result = session("--bench", path, "--bench-wait", "0.2")
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines([f"vkbench: waiting up to 0.2 s for bench one: process {other.pid} *"])
        result.stdout.fnmatch_lines(["E *BenchBusy: bench one: process *"])
        other.stdin.close()
    session("--bench", path, "--bench-wait", "0").assert_outcomes(passed=1)


def test_a_cancelled_job_leaves_the_bench_as_ctrl_c_does(pytester, bench_file, tmp_path):
    pytester.makepyfile(
        """
        import pytest, time
        @pytest.fixture
        def wire(lab):
            yield
            print("torn down", flush=True)
        def test_it(wire):
            print("\\nstarted", flush=True)
            time.sleep(60)
        """
    )
    argv = [sys.executable, "-m", "pytest", *PLUGIN, "-s", "--bench", bench_file()]
    with subprocess.Popen(argv, cwd=pytester.path, stdout=subprocess.PIPE, text=True) as started:
        said = []
        for line in started.stdout:
            said.append(line)
            if line == "started\n":
                started.terminate()
    assert started.returncode == pytest.ExitCode.INTERRUPTED
    assert "torn down\n" in said
    assert not list((tmp_path / "locks").iterdir())


# ---- several benches -------------------------------------------------------------------------------------------------

#: Tests of two files that say which bench they were on.
WHERE = """
import os, pytest
@pytest.mark.parametrize("n", range(4))
def test_where(n, bench, worker_id, run_directory, record_property):
    run_directory.mkdir(parents=True)
    (run_directory / "where").write_text(f"{worker_id} {bench.name}")
"""


def where(folder):
    """(folder, file, worker, bench) of each test that said so."""
    return sorted(
        (path.parent.parent.name, path.parent.name.split(".")[0], *path.read_text().split())
        for path in folder.rglob("where")
    )


def test_several_benches_need_workers_or_are_refused(pytester, session, bench_file):
    pytester.makepyfile("def test_it(bench): pass")
    first, second = bench_file("one"), bench_file("two")
    for words, said in (
        (["--bench", first, "--bench", second], "ERROR: 2 benches need a process each: add -n 2, or *"),
        (["--bench", first, "--bench", first], "ERROR: --bench names the same file twice"),
        (["--bench", first, "-n", "2"], "ERROR: 2 workers and 1 bench: each worker needs *Use -n 1*"),
        (["--bench", first, "--bench", second, "-n3"], "ERROR: 3 workers and 2 benches: *Use -n 2*"),
    ):
        result = session("-p", "xdist", *words)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([said])


def test_each_worker_has_a_bench_of_its_own_and_a_file_stays_on_one(pytester, process, bench_file):
    pytester.makepyfile(test_a=WHERE, test_b=WHERE)
    other = bench_file("two", server='features = ["iommu"]')
    result = process("--bench", bench_file("one"), "--bench", other, "-n", "auto", "--runs", "evidence")
    result.assert_outcomes(passed=8)
    result.stdout.fnmatch_lines(["vkbench: these benches are not alike: *--dist each*"])
    found = where(pytester.path / "evidence")
    assert len(found) == 8
    assert {(worker, bench) for _, _, worker, bench in found} == {("gw0", "one"), ("gw1", "two")}
    assert all(folder == bench for folder, _, _, bench in found)
    assert len({(file, bench) for _, file, _, bench in found}) == 2, "a file's tests were spread over benches"


def test_dist_each_runs_every_test_on_every_bench_that_can(pytester, process, bench_file):
    pytester.makepyfile(test_a=WHERE + "@pytest.mark.arch('aarch64')\ndef test_arm(): pass\n")
    result = process(
        *("--bench", bench_file("one"), "--bench", bench_file("one", arch="aarch64")),
        *("-n", "2", "--dist", "each", "--runs", "evidence"),
    )
    result.assert_outcomes(passed=9, skipped=1)
    found = where(pytester.path / "evidence")
    assert len(found) == 8 and {folder for folder, *_ in found} == {"one-1", "one-2"}


def test_the_worker_that_replaces_a_crashed_one_gets_its_bench(pytester, process, bench_file):
    dies = "def test_dies(bench, pytestconfig):\n    flag = pytestconfig.rootpath / 'died'\n"
    dies += "    if not flag.exists():\n        flag.touch()\n        os._exit(1)\n"
    pytester.makepyfile(test_a="import os\n" + dies + WHERE)
    result = process("--bench", bench_file("one"), "-n", "1", "--runs", "evidence")
    result.assert_outcomes(passed=5, failed=1)  # xdist gives the test another try
    assert {(worker, bench) for _, _, worker, bench in where(pytester.path / "evidence")} == {("gw1", "one")}


def test_workers_without_a_bench_are_not_our_affair(pytester, process):
    pytester.makepyfile("def test_it(): pass")
    process("-n", "2").assert_outcomes(passed=1)


# ---- in a user's environment -----------------------------------------------------------------------------------------


def test_the_plugin_costs_other_sessions_nothing():
    code = "import sys, vkbench.pytest_plugin; print([m for m in sys.modules if m in %r])"
    heavy = ["numpy", "pydantic", "pyvisa", "serial", "rich", "typer", "pyipmi", "vkbench.config"]
    done = subprocess.run([sys.executable, "-c", code % heavy], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stdout + done.stderr


def test_the_package_needs_no_pytest():
    code = "import sys; sys.modules['pytest'] = None; import vkbench.cli, vkbench.server.run, vkbench.instruments"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_user_s_own_repository_finds_the_plugin_after_pip_install(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(ROOT / "bench", source / "bench", ignore=shutil.ignore_patterns("tests", "__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", tmp_path, source], check=True
    )
    (wheel,) = tmp_path.glob("vkbench-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    subprocess.run([*pip, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True)
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    # The libraries are those of the present environment; its own vkbench comes behind the new one.
    (site / "libraries.pth").write_text(str(Path(pytest.__file__).parents[1]) + "\n")
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "lab.toml").write_text(CLIENT)
    (repository / "test_mine.py").write_text(
        "import vkbench\n"
        "def test_it(bench, judged_run, run_directory):\n"
        f"    assert vkbench.__file__.startswith({str(tmp_path)!r})\n"
        "    assert bench.bmc.port == 26230 and run_directory.name == 'test_mine.test_it'\n"
    )
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))
    }
    done = subprocess.run(
        [python, "-m", "pytest", "-p", "no:cacheprovider", "--strict-markers", "--bench", "lab.toml"],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout and "vkbench: bench virtual" in done.stdout
    plugins = next(line for line in done.stdout.splitlines() if line.startswith("plugins:"))
    assert "vkbench-" in plugins
