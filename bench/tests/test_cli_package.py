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


def test_every_requirement_is_in_the_constraints():
    pinned = {
        re.split("==", line)[0].lower().replace("_", "-")
        for line in (ROOT / "fixtures/host/constraints.txt").read_text().splitlines()
        if "==" in line
    }
    extras = PROJECT["project"]["optional-dependencies"]
    assert set(extras) == {"dev", "export", "sim"}
    for requirement in [
        *PROJECT["project"]["dependencies"],
        *(one for extra in extras.values() for one in extra),
    ]:
        name = re.split(r"[\[<>=~ ]", requirement)[0].lower().replace("_", "-")
        assert name in pinned, f"{name} is not in fixtures/host/constraints.txt"
