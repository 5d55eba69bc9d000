# SPDX-License-Identifier: Apache-2.0
"""What a bench has, by its file, and which marked tests it therefore cannot run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from vkbench.config import BenchFile

#: The markers, as `pytest --markers` shows them.
MARKERS = (
    "destructive: may leave the server other than it was found (its disk, its firmware, its boot settings); skipped "
    "without --destructive, except on a bench whose provider makes the server anew. A panic alone is not destructive.",
    "needs(*what): needs what the bench file must have: provider, power, ssh, login, ipmi, redfish, sol, break, "
    "kdump-service, or a word of [server] features",
    "needs_iommu: needs a server whose IOMMU translates the card's DMA ('iommu' in [server] features)",
    "needs_power: needs a power supply or switched outlet ([power])",
    "needs_ssh: needs a server that can be reached over the network ([server.ssh])",
    "arch(*names): needs a server with one of these architectures ([server] arch)",
)
_SHORT = {"needs_iommu": "iommu", "needs_power": "power", "needs_ssh": "ssh"}
_WHERE = {
    "provider": "names no provider",
    "power": "has no [power]",
    "ssh": "has no [server.ssh]",
    "login": "has no [server.login]",
    "ipmi": 'has no [bmc] of kind = "ipmi"',
    "redfish": 'has no [bmc] of kind = "redfish"',
    "sol": 'has no [console] url = "sol:"',
    "break": "has a [console] that carries no BREAK",
    "kdump-service": 'has [server.kdump] style = "command"',
}


def facts(bench: BenchFile) -> set[str]:
    """The words that ``needs`` knows and this bench has."""
    from vkbench.config.features import features  # heavy, and a session without a bench does not need it

    return features(bench)


def missing(item: pytest.Item, bench: BenchFile, destructive: bool) -> str | None:
    """Why this bench cannot run this test; None when it can."""
    has = facts(bench)
    wanted = [word for marker in item.iter_markers("needs") for word in marker.args]
    wanted += [word for marker, word in _SHORT.items() if item.get_closest_marker(marker)]
    for word in wanted:
        if word not in has:
            what = _WHERE.get(word, f"has no {word!r} in [server] features")
            return f"bench {bench.name}: {bench.path.name} {what}"
    for marker in item.iter_markers("arch"):
        if bench.server.arch not in marker.args:
            return f"bench {bench.name} is {bench.server.arch}; the test is for {', '.join(marker.args)}"
    if item.get_closest_marker("destructive") and not destructive and bench.provider is None:
        return f"destructive: bench {bench.name} is no throw-away server; --destructive runs it"
    return None
