# SPDX-License-Identifier: Apache-2.0
"""The package's description names every part of it, and its versions are those that are tested with."""

import re
import tomllib
from pathlib import Path

import vkbench

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_subpackage_is_listed():
    found = {"vkbench"}
    for path in (ROOT / "bench").rglob("*.py"):
        inner = path.parent.relative_to(ROOT / "bench").parts
        if "__pycache__" not in inner and inner[:1] != ("tests",):
            found.add(".".join(["vkbench", *inner]))
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found
    for name in found:
        assert (ROOT / name.replace("vkbench", "bench", 1).replace(".", "/") / "__init__.py").is_file()


def test_the_version_is_the_same_everywhere():
    assert PROJECT["project"]["version"] == vkbench.__version__


def pins(path):
    return {
        re.split("==", line)[0].lower().replace("_", "-")
        for line in (ROOT / path).read_text().splitlines()
        if "==" in line
    }


def test_every_requirement_is_in_the_constraints():
    extras = PROJECT["project"]["optional-dependencies"]
    assert set(extras) == {"dev", "export", "labgrid", "qualify", "sim"}
    shared = pins("fixtures/host/constraints.txt"), pins("fixtures/labgrid/constraints.txt")
    places = dict.fromkeys(extras, shared[:1]) | {"labgrid": shared[1:]}
    for requirement, pinned in [
        *((one, shared) for one in PROJECT["project"]["dependencies"]),
        *((one, places[extra]) for extra, wanted in extras.items() for one in wanted),
    ]:
        name = re.split(r"[\[<>=~ ]", requirement)[0].lower().replace("_", "-")
        for file in pinned:
            # labgrid brings its own fork of pyserial.
            assert name in file or (name == "pyserial" and "pyserial-labgrid" in file), name
