# SPDX-License-Identifier: Apache-2.0
"""facts_of(record): what a run's own evidence says of its bench, server and card, as short strings.

A plan's ``where`` compares them, and summary and report list every value that was seen. A fact that run.json does not
tell is absent, never guessed:

- ``arch``, ``provider``, ``bench_file`` (SHA-256): of the bench file
- ``kernel`` (release), ``distribution``, ``machine``: of the server under test
- ``iommu``: "none", or who translates the card's DMA: "intel", "amd", "smmu" …; ``iommu_domain``: "DMA", "identity" …
- ``driver``: its srcversion
- ``card``: its build id; ``card_build``: "release" or "test"; ``defect``: the seeded one, or "none"
- ``firmware``: the analyser's version
"""

from typing import Any

from vkbench.evidence import RunRecord


def facts_of(record: RunRecord) -> dict[str, str]:
    """The facts, by name."""
    inventory = record.inventory
    server, card, analyser = (_table(inventory, name) for name in ("server", "card", "analyser"))
    driver, iommu = _table(server, "driver"), _table(server, "iommu")
    found = {
        "arch": record.bench.arch,
        "provider": record.bench.provider,
        "bench_file": record.bench.file_sha256,
        "kernel": _release(server.get("uname")),
        "distribution": server.get("os"),
        "machine": " ".join(str(server.get("machine", "")).split()),
        "iommu": iommu.get("kind"),
        "iommu_domain": iommu.get("domain"),
        "driver": driver.get("srcversion"),
        "card": analyser.get("serial"),
        "card_build": card.get("build"),
        "defect": record.config.defect or card.get("seeded defect"),
        "firmware": analyser.get("version"),
    }
    return {name: value for name, value in found.items() if isinstance(value, str) and value}


def _table(table: dict[str, Any], name: str) -> dict[str, Any]:
    value = table.get(name)
    return value if isinstance(value, dict) else {}


def _release(uname: Any) -> str:
    """The kernel's release in `uname -a`: its third word."""
    words = uname.split() if isinstance(uname, str) else []
    return words[2] if len(words) > 2 else ""
