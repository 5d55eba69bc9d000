# SPDX-License-Identifier: Apache-2.0
"""Memory behind an IOMMU: the card's addresses are not memory's, and the rule on memory needs to know where it is."""

import pytest
from synthetic_run import PADDR, SIZE, edited, memory, post_notifiers, stock

JUMP, HALT, MEM = "VKB-JUMP-001", "VKB-HALT-001", "VKB-MEM-001"
HALF = SIZE // 2
PIECES = [(0x4_0000_0000, HALF), (0x1_0000, SIZE - HALF)]


def behind(story, pieces=(), read=None):
    """The story with its target behind an IOMMU, in these pieces; ``read``: those that were read."""
    dma = {**story.record["dma"], "translated": True}
    dma["pieces"] = [{"paddr": paddr, "size": size} for paddr, size in pieces]
    story.record = edited(story.record, dma=dma)
    read = pieces if read is None else read
    for one in story.memory["reads"]:
        one["pieces"] = [[hex(paddr), size] for paddr, size in read]
        one["paddr"], one["size"] = (hex(read[0][0]), sum(size for _, size in read)) if read else ("0x0", 0)
    return story


def results(story):
    return {rule.id: rule for rule in story.judge().rules}


def test_memory_that_nobody_could_find_is_not_judged():
    story = behind(post_notifiers())
    story.memory = None
    found = results(story)
    assert found[MEM].result == "INCONCLUSIVE" and "IOMMU" in found[MEM].reason
    assert (found[JUMP].result, found[HALT].result) == ("PASS", "PASS")
    verdict = story.judge()
    assert verdict.overall == "INCONCLUSIVE" and not verdict.as_expected


def test_where_the_pieces_are_known_it_is_judged_as_ever():
    assert results(behind(post_notifiers(), PIECES))[MEM].result == "PASS"
    found = results(behind(stock(), PIECES))[MEM]
    assert found.result == "FAIL" and found.value > 0


@pytest.mark.parametrize(
    "read",
    [
        PIECES[::-1],
        PIECES[:1],
        [PIECES[0], (PIECES[1][0] + 8, PIECES[1][1])],
        [PIECES[0], (PIECES[1][0], PIECES[1][1] - 8)],
        [*PIECES, (0x8000, 8)],
        [(PADDR, SIZE)],
    ],
)
def test_other_pieces_than_the_target_s_are_no_evidence(read):
    for story in (post_notifiers(), stock()):
        found = results(behind(story, PIECES, read))[MEM]
        assert found.result == "INCONCLUSIVE" and "do not all cover" in found.reason


def test_one_piece_may_be_read_with_its_neighbours():
    around = [(0x7000 - 64, SIZE + 128)]
    assert results(behind(post_notifiers(), [(0x7000, SIZE)], around))[MEM].result == "PASS"


def test_writes_that_the_iommu_may_have_refused_are_said_to_be_so():
    """The card wrote on after the jump; memory holds what came before."""
    story = stock()
    last = max(one["seq_max"] for one in post_notifiers().memory["reads"])
    story.memory = memory(last - 500, last)
    found = results(behind(story, PIECES))
    assert found[JUMP].result == "FAIL"
    assert found[MEM].result == "INCONCLUSIVE" and "the IOMMU may have refused them" in found[MEM].reason
