# SPDX-License-Identifier: Apache-2.0
"""facts_of(): what run.json says, as strings; what it does not say is absent. And the IOMMU, as the server shows it."""

import subprocess
from pathlib import Path

import pytest

from vkbench.campaign.records.facts import facts_of
from vkbench.evidence import RunRecord
from vkbench.server.server import iommu_command, parse_iommu
from vkbench.server.steps import iommu_translates

CAPTURES = Path(__file__).resolve().parents[2] / "fixtures/captures"
OLD = RunRecord.parse((CAPTURES / "panic-stock/run.json").read_bytes())
FACTS = {
    "arch": "x86_64",
    "provider": "virtual",
    "kernel": "6.1.0-56-amd64",
    "driver": "FB0984662BD44214688D4A8",
}


def record(**inventory) -> RunRecord:
    return OLD.model_copy(update={"inventory": inventory})


def test_an_older_run_says_what_it_knows_and_guesses_nothing():
    found = facts_of(OLD)
    assert found.items() >= FACTS.items()
    assert found["bench_file"] == OLD.bench.file_sha256 and len(found["card"]) == 32
    assert not {"iommu", "card_build", "distribution"} & set(found)
    assert all(isinstance(value, str) and value for value in found.values())


def test_a_run_of_today_says_all():
    card = {"build": "test", "seeded defect": "SLIP"}
    server = {
        "uname": "Linux vk 6.12.1 #1 SMP x86_64",
        "os": "Debian GNU/Linux 12",
        "machine": "QEMU\nStandard PC",
        "driver": {"srcversion": "AB"},
        "iommu": {"kind": "intel", "domain": "DMA-FQ"},
    }
    found = facts_of(record(card=card, server=server, analyser={"serial": "00", "version": "1.0"}))
    assert (
        found.items()
        >= {
            "kernel": "6.12.1",
            "distribution": "Debian GNU/Linux 12",
            "machine": "QEMU Standard PC",
            "driver": "AB",
            "iommu": "intel",
            "iommu_domain": "DMA-FQ",
            "card": "00",
            "card_build": "test",
            "defect": "SLIP",
            "firmware": "1.0",
        }.items()
    )


@pytest.mark.parametrize(
    "inventory", [{}, {"server": "damaged"}, {"server": {"uname": 7, "driver": []}}, {"card": None}]
)
def test_an_inventory_that_is_not_as_it_should_be_has_no_facts(inventory):
    assert set(facts_of(record(**inventory))) == {"arch", "provider", "bench_file"}


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("", {"kind": "none"}),
        ("unit dmar0\nunit dmar1\ndomain DMA-FQ", {"kind": "intel", "domain": "DMA-FQ"}),
        ("unit ivhd0\ndomain identity", {"kind": "amd", "domain": "identity"}),
        ("unit smmu3.0x0000000009050000\ndomain DMA", {"kind": "smmu", "domain": "DMA"}),
        ("unit something0\ndomain", {"kind": "something0", "domain": "unknown"}),
        ("unit dmar0", {"kind": "none"}),
        ("domain DMA", {"kind": "none"}),
    ],
    ids=["none", "intel", "amd", "smmu", "unknown", "card-in-no-group", "no-unit"],
)
def test_whose_iommu_the_card_is_behind(said, found):
    assert parse_iommu(said) == found


@pytest.mark.parametrize(
    ("iommu", "translates"),
    [
        ({"kind": "none"}, False),
        ({"kind": "amd", "domain": "identity"}, False),
        ({"kind": "intel", "domain": "DMA-FQ"}, True),
        ({"kind": "intel", "domain": "unknown"}, True),
    ],
)
def test_an_address_is_memory_s_unless_something_may_translate_it(iommu, translates):
    assert iommu_translates({"server": {"iommu": iommu}}) is translates
    assert iommu_translates({}) is False


def test_the_command_finds_the_cards_group_in_sysfs(tmp_path):
    """The command as it is, on folders as a kernel makes them."""
    card = tmp_path / "module/drivers/pci:bcm-vk/0000:01:00.0"
    (card / "iommu_group").mkdir(parents=True)
    (card / "iommu_group/type").write_text("DMA-FQ\n")
    units = tmp_path / "iommu"
    (units / "dmar0").mkdir(parents=True)
    command = iommu_command(str(tmp_path / "module")).replace("/sys/class/iommu", str(units))
    said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert parse_iommu(said) == {"kind": "intel", "domain": "DMA-FQ"}
