# SPDX-License-Identifier: Apache-2.0
"""A module is built against the running kernel, loaded, and read back. The kernel's side here are stand-ins: scripts
that do what make, modinfo, insmod and rmmod do, below a folder of the test's own.
"""

import os
import subprocess

import pytest

from vkbench import errors
from vkbench.server import deploy
from vkbench.server.deploy import Deployer, archive, module_name, sources

FILES = {"Makefile": b"obj-m := vkpanic.o\n", "vkpanic.c": b"srcversion AAA\n"}
TOOLS = {
    "uname": "echo 9.9.9-test",
    # make -C HEADERS M=FOLDER modules
    "make": 'folder=${3#M=}; [ -e "$MACHINE/broken" ] && { echo "error: implicit declaration"; exit 2; }\n'
    'cp "$folder/vkpanic.c" "$folder/vkpanic.ko"; echo made >> "$MACHINE/made"',
    "modinfo": 'case $2 in srcversion) sed -n "s/^srcversion //p" "$3";; depends) cat "$MACHINE/depends" 2>/dev/null || true;; esac',
    "insmod": '[ -e "$MACHINE/refuse" ] && { echo "insmod: Key was rejected by service"; exit 1; }\n'
    'mkdir -p "$MACHINE/module/vkpanic"; sed -n "s/^srcversion //p" "$1" > "$MACHINE/module/vkpanic/srcversion"\n'
    'shift; echo "$*" > "$MACHINE/parameters"\n[ -e "$MACHINE/other" ] && echo OTHER > "$MACHINE/module/vkpanic/srcversion"; true',
    "rmmod": '[ -e "$MACHINE/busy" ] && { echo "rmmod: Module vkpanic is in use"; exit 1; }; rm -r "$MACHINE/module/vkpanic"',
    "modprobe": 'echo "$1" >> "$MACHINE/probed"',
}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    for name, text in TOOLS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    headers = tmp_path / "lib/9.9.9-test/build"
    headers.mkdir(parents=True)
    (headers / "Makefile").touch()
    monkeypatch.setattr(deploy, "FOLDER", str(tmp_path / "deploy"))
    monkeypatch.setattr(deploy, "SYS_MODULE", str(tmp_path / "module"))
    monkeypatch.setattr(deploy, "LIB_MODULES", str(tmp_path / "lib"))
    return tmp_path


@pytest.fixture
def deployer(machine):
    environment = {**os.environ, "PATH": f"{machine}/bin:{os.environ['PATH']}", "MACHINE": str(machine)}

    def console(command, limit):
        done = subprocess.run(
            ["sh", "-c", command], capture_output=True, text=True, env=environment, check=False, timeout=limit
        )
        if done.returncode:
            raise errors.CommandFailed(f"'{command}' ended with {done.returncode}: {done.stdout}", "console")
        return done.stdout.rstrip("\n") + "\n[    5.000001] vkpanic: loading out-of-tree module"

    return Deployer(console, 30)


def test_a_module_is_built_loaded_and_read_back(machine, deployer):
    seen = []
    found = deployer.module("vkpanic", FILES, "mode=3", lambda now, total: seen.append((now, total)))
    assert (found.kernel, found.srcversion, found.by, found.built) == ("9.9.9-test", "AAA", "console", True)
    assert (machine / "parameters").read_text() == "mode=3\n" and len(found.sha256) == 64
    assert seen[-1][0] == seen[-1][1] == len(archive(FILES))
    assert found.inventory()["files_sha256"] == found.files_sha256


def test_the_same_module_is_not_built_or_loaded_again(machine, deployer):
    deployer.module("vkpanic", FILES)
    (machine / "parameters").unlink()
    again = deployer.module("vkpanic", FILES)
    assert not again.built and (machine / "made").read_text() == "made\n"
    assert not (machine / "parameters").exists()


def test_another_source_takes_the_place_of_the_loaded_module(machine, deployer):
    deployer.module("vkpanic", FILES)
    changed = deployer.module("vkpanic", {**FILES, "vkpanic.c": b"srcversion BBB\n"})
    assert changed.srcversion == "BBB" and (machine / "module/vkpanic/srcversion").read_text() == "BBB\n"


def test_a_module_in_use_is_named(machine, deployer):
    deployer.module("vkpanic", FILES)
    (machine / "busy").touch()
    with pytest.raises(errors.DeployFailed, match="another version .srcversion AAA, wanted BBB. and in use"):
        deployer.module("vkpanic", {**FILES, "vkpanic.c": b"srcversion BBB\n"})


def test_what_it_needs_is_loaded_first(machine, deployer):
    (machine / "depends").write_text("uio,crc32\n")
    deployer.module("vkpanic", FILES)
    assert (machine / "probed").read_text() == "uio\ncrc32\n"


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        ("broken", "implicit declaration"),
        ("refuse", "Key was rejected.*Secure Boot"),
        ("other", "reads 'OTHER', the module that was built has 'AAA'"),
    ],
)
def test_what_goes_wrong_is_named(machine, deployer, trouble, says):
    (machine / trouble).touch()
    with pytest.raises(errors.DeployFailed, match=says):
        deployer.module("vkpanic", FILES)


def test_missing_headers_are_named_before_anything_is_sent(machine, deployer):
    (machine / "lib/9.9.9-test/build/Makefile").unlink()
    with pytest.raises(errors.DeployFailed, match="linux-headers-9.9.9-test"):
        deployer.module("vkpanic", FILES)
    assert not (machine / "deploy").exists()


def test_sources_are_what_a_build_needs(tmp_path):
    for name in ("Makefile", "a.c", "a.h", "sub/b.c", "a.o", "a.ko", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert sorted(sources(tmp_path)) == ["Makefile", "a.c", "a.h", "sub/b.c"]
    (tmp_path / "Makefile").unlink()
    with pytest.raises(errors.DeployFailed, match="no Makefile"):
        sources(tmp_path)


def test_the_makefile_names_the_module():
    assert module_name(FILES) == "vkpanic"
    assert module_name({"Makefile": b"x := 1\nobj-m += a.o\na-objs := b.o\n"}) == "a"
    for text in (b"all:\n", b"obj-m := a.o b.o\n"):
        with pytest.raises(errors.DeployFailed, match="Say which by --name"):
            module_name({"Makefile": text})


def test_an_archive_has_the_same_bytes_each_time():
    assert archive(FILES) == archive(dict(reversed(FILES.items())))
