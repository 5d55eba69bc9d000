# SPDX-License-Identifier: Apache-2.0
"""What a bench has, as words that tests and plans ask for."""

import re

from vkbench.config.model import BenchFile

#: What each word stands for; any other one is a word of [server] features.
WORDS = {
    "provider": "a provider that makes the bench",
    "power": "a power supply or switched outlet, [power]",
    "ssh": "a server that can be reached over the network, [server.ssh]",
    "login": "a console that asks for a login, [server.login]",
    "ipmi": 'a [bmc] of kind = "ipmi"',
    "redfish": 'a [bmc] of kind = "redfish"',
    "sol": 'serial over LAN, [console] url = "sol:"',
    "break": "a [console] that carries BREAK",
    "kdump-service": 'a distribution\'s own kdump, [server.kdump] style other than "command"',
}
#: pyserial URLs whose line can be held in BREAK; raw TCP has no way to say it.
_BREAK = re.compile(r"^(/dev/|rfc2217://|sol:|spy:///dev/|hwgrep://)")


def features(bench: BenchFile) -> set[str]:
    """The words that fit this bench, by its file."""
    found = {
        "provider": bench.provider is not None,
        "power": bench.power is not None,
        "ssh": bench.server.ssh is not None,
        "login": bench.server.login is not None,
        "ipmi": bench.bmc.kind == "ipmi",
        "redfish": bench.bmc.kind == "redfish",
        "sol": bench.console.url == "sol:",
        "break": bool(_BREAK.match(bench.console.url)),
        "kdump-service": bench.server.kdump.style != "command",
    }
    return {name for name, has in found.items() if has} | set(bench.server.features)
