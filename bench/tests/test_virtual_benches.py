# SPDX-License-Identifier: Apache-2.0
"""Several virtual benches on one machine: the bench files share no wire, port, password or folder. And what [virtual]'s
keys make of the server and the card.
"""

import threading
from itertools import combinations
from pathlib import Path

import pytest

from vkbench import errors
from vkbench.config import load, parse
from vkbench.instruments import lock
from vkbench.server.settings import ledger
from vkbench.virtual import build, lab, paths, qemu
from vkbench.virtual.ports import Ports, starting

BENCHES = Path(__file__).resolve().parents[2] / "fixtures/benches"
#: virtual-client.toml is virtual.toml, seen by somebody who has only its wires.
SEEN_TWICE = "virtual-client"
ALL = {path.stem: load(path) for path in sorted(BENCHES.glob("*.toml")) if path.stem != SEEN_TWICE}
VIRTUAL = {name: bench for name, bench in ALL.items() if bench.provider == "virtual"}
TEXT = (BENCHES / "virtual.toml").read_text()


def test_there_are_benches_to_compare():
    assert {"virtual", "virtual-2", "virtual-defects", "virtual-iommu", "debian"} == set(VIRTUAL)
    assert lock.wires(load(BENCHES / f"{SEEN_TWICE}.toml")) == lock.wires(ALL["virtual"])


@pytest.mark.parametrize(("one", "other"), list(combinations(ALL, 2)))
def test_two_bench_files_share_no_wire_and_no_file(one, other):
    first, second = ALL[one], ALL[other]
    assert not set(lock.wires(first)) & set(lock.wires(second))
    assert first.name != second.name
    assert ledger(first) != ledger(second)
    passwords = first.bmc.password, second.bmc.password
    assert passwords[0] != passwords[1], "a second bench's password must not be this one's"


@pytest.mark.parametrize(("one", "other"), list(combinations(VIRTUAL, 2)))
def test_two_virtual_benches_share_no_port_and_no_folder(one, other):
    first, second = VIRTUAL[one], VIRTUAL[other]
    ports = [{port for port in vars(Ports.of(bench)).values() if port} for bench in (first, second)]
    assert len(ports[0]) >= 3 and not ports[0] & ports[1]
    assert lab.VirtualLab(first).runtime != lab.VirtualLab(second).runtime


@pytest.mark.parametrize("name", VIRTUAL)
def test_the_ports_lie_where_no_connection_takes_them_by_chance(name):
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(port for port in vars(Ports.of(VIRTUAL[name])).values() if port) < lowest


def test_labs_that_start_at_once_choose_their_inner_ports_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    inside, most, both = [], [], threading.Barrier(2, timeout=10)

    def start(bench):
        both.wait()
        with starting():
            inside.append(bench)
            most.append(len(inside))
            inside.remove(bench)

    threads = [threading.Thread(target=start, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert most == [1, 1]
    with starting(), pytest.raises(errors.LabError, match="another bench"), starting(0.05):
        pass


def server(**keys):
    """QEMU's arguments for a bench file with these keys in [virtual]."""
    more = "".join(f"{name} = {value}\n" for name, value in keys.items())
    bench = parse((TEXT + more).encode(), BENCHES / "virtual.toml")
    made = lab.VirtualLab(bench)._server("tcg", 1)
    parts = paths.ServerParts(Path("/kernel"), Path("/initrd"), "console=ttyS0", {})
    return qemu.arguments(made, parts)


def test_an_iommu_comes_before_every_device_and_the_kernel_uses_it():
    argv = server(iommu='"intel"')
    devices = [argv[i + 1] for i, word in enumerate(argv) if word == "-device"]
    assert devices[0] == "intel-iommu,caching-mode=on"
    assert "intel_iommu=on" in argv[argv.index("-append") + 1].split()


def test_without_the_key_there_is_no_iommu():
    argv = server()
    assert not any("iommu" in word for word in argv)


def test_an_iommu_needs_a_kernel_whose_command_line_is_ours():
    text = TEXT + 'iommu = "intel"\nserver = "debian"\n'
    with pytest.raises(errors.BenchFileError, match="initramfs"):
        parse(text.encode(), BENCHES / "virtual.toml")


@pytest.mark.parametrize("wanted", [False, True])
def test_the_bench_file_chooses_the_card_s_build(wanted, monkeypatch, tmp_path):
    asked = []

    def ensure(progress, test_build=False):
        asked.append(test_build)
        raise errors.BuildFailed("enough")

    monkeypatch.setattr(build, "ensure_built", ensure)
    monkeypatch.setattr(Ports, "check_free", lambda *_: None)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    bench = parse((TEXT + f"test_build = {str(wanted).lower()}\n").encode(), BENCHES / "virtual.toml")
    with pytest.raises(errors.BuildFailed):
        lab.VirtualLab(bench).up()
    assert asked == [wanted]


def test_a_test_build_is_another_card_than_a_release_build():
    root, tools = paths.repository_root(), {"verilator": "1"}
    assert build.card_hash(root, tools) != build.card_hash(root, {**tools, "define": build.TEST_BUILD})


def test_the_iommu_bench_says_so_to_tests_and_uses_it_in_the_crash_kernel_too():
    bench = ALL["virtual-iommu"]
    assert "iommu" in bench.server.features
    assert "intel_iommu=on" in bench.server.commands.arm_kdump.split()
