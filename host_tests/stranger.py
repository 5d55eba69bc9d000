# SPDX-License-Identifier: Apache-2.0
"""Runs a command as somebody who has nothing of the virtual bench but its ports and its BMC's password.

sudo -E python host_tests/stranger.py COMMAND...

The command runs as the user nobody, without privileges, with a home and a temporary folder of its own, in a mount
namespace in which the lab's caches and runtime folders are empty. It sees this checkout and its Python, whose files it
cannot change, and the network. VKBENCH_BMC_PASSWORD is handed on; nothing else of the environment. `@home` in a word of
the command is the stranger's home; it stays when the command fails.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

USER = "nobody"
NEEDED = ("unshare", "setpriv", "mount")
ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "VKBENCH_BMC_PASSWORD"


def why_not() -> str:
    """Why this machine cannot do it; empty when it can."""
    if os.geteuid() != 0:
        return "only root can become another user"
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} are not there (util-linux)"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"no mount namespaces here: {tried.stderr.strip()}"


def lab_folders() -> list[Path]:
    """Where labs keep their files: caches, and what stands in runtime folders."""
    from vkbench.virtual import paths

    bases = [Path(base) for base in (os.environ.get("XDG_RUNTIME_DIR"), "/tmp") if base]
    labs = [folder for base in bases for folder in base.glob("vkbench-*")]
    return [folder for folder in [paths.cache_dir(), Path.home() / ".cache", *labs] if folder.is_dir()]


def make_home(parent: Path = Path("/tmp")) -> Path:
    """A home that is the stranger's alone. ``parent`` must let others through."""
    user = pwd.getpwnam(USER)
    home = Path(tempfile.mkdtemp(prefix="stranger-", dir=parent))
    for folder in (home / "tmp", home):
        folder.mkdir(mode=0o700, exist_ok=True)
        os.chown(folder, user.pw_uid, user.pw_gid)
    return home


def command(words: Sequence[str | Path], home: Path) -> list[str]:
    """The command line that runs ``words`` as the stranger whose home is ``home``; the password is in its environment."""
    variables = {
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    plan = {
        "hide": [str(folder) for folder in lab_folders()],
        "keep": [str(folder) for folder in {Path(sys.base_prefix), Path(sys.prefix), ROOT}],
        "words": [str(word).replace("@home", str(home)) for word in words],
        "environment": variables,
    }
    namespace = ["unshare", "--mount", "--propagation", "private"]
    return [*namespace, sys.executable, __file__, "--inside", json.dumps(plan)]


def _inside(plan: dict) -> None:
    """In the namespace, still as root: hide, then become the stranger. Does not return."""
    for folder in plan["hide"]:
        _mount("-t", "tmpfs", "-o", "mode=0700", "none", folder)
    _keep_reachable([Path(folder) for folder in plan["keep"]])
    user = pwd.getpwnam(USER)
    become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    become += ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
    password = {PASSWORD: os.environ[PASSWORD]} if PASSWORD in os.environ else {}
    os.execvpe("setpriv", [*become, *plan["words"]], {**plan["environment"], **password})


def _keep_reachable(folders: list[Path]) -> None:
    """What lies under a folder that is closed to others (/root) alone is seen there, all else of it is hidden."""
    closed: dict[Path, list[Path]] = {}
    for folder in folders:
        gates = [gate for gate in reversed(folder.parents) if not gate.stat().st_mode & 0o001]
        if gates:
            closed.setdefault(gates[0], []).append(folder)
    for gate, inner in closed.items():
        held = []
        for folder in inner:
            holder = tempfile.mkdtemp()
            _mount("--bind", str(folder), holder)
            held.append((folder, holder))
        _mount("-t", "tmpfs", "-o", "mode=0755", "none", str(gate))
        for folder, holder in held:
            folder.mkdir(parents=True)
            _mount("--move", holder, str(folder))
            Path(holder).rmdir()


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def main() -> int:
    """The command line."""
    if sys.argv[1:2] == ["--inside"]:
        _inside(json.loads(sys.argv[2]))
    if why := why_not():
        print(f"stranger: {why}", file=sys.stderr)
        return 3
    home = make_home()
    with subprocess.Popen(command(sys.argv[1:], home)) as process:
        try:
            code = process.wait()
        except KeyboardInterrupt:  # the terminal's is for the command too, which ends in its own time
            code = process.wait()
    if code:
        print(f"stranger: ended with {code}; its home is kept: {home}", file=sys.stderr)
    else:
        shutil.rmtree(home)
    return code


if __name__ == "__main__":
    sys.exit(main())
