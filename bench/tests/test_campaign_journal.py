# SPDX-License-Identifier: Apache-2.0
"""The journal: durable, chained, written by one process; and the view that reads it."""

import hashlib
import json
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from campaign_peers import plan_file
from synthetic_campaign import make

from vkbench import errors
from vkbench.campaign.planning import plan as plans
from vkbench.campaign.records.entries import checked
from vkbench.campaign.records.journal import Journal
from vkbench.campaign.records.view import CampaignView
from vkbench.evidence import EvidenceError, to_json
from vkbench.evidence.campaign import (
    JOURNAL,
    JOURNAL_LINES,
    PLAN_JSON,
    BenchState,
    Intent,
    Outcome,
    Registered,
    Session,
)


def registered():
    return Registered(plan_sha256="ab" * 32, plan_name="tiny", slots=8, tools={"vkbench": "0.1.0"})


def begun(slot, attempt=1):
    return Intent(slot=slot, attempt=attempt, bench="peer-1", directory=f"cycles/{slot:06}-{attempt}")


def ended(slot, attempt=1, **values):
    judged = {"fate": "judged", "counts": True, "result": "PASS", "as_expected": True}
    return Outcome(slot=slot, attempt=attempt, **{**judged, **values})


@pytest.fixture
def campaign(tmp_path):
    """A folder with a plan, as a campaign's is."""
    folder = tmp_path / "campaign"
    folder.mkdir()
    (folder / PLAN_JSON).write_bytes(to_json(plans.load(plan_file(tmp_path))))
    return folder


def test_entries_are_numbered_dated_and_chained_by_sha256(campaign):
    with Journal.create(campaign) as journal:
        written = [journal.append(registered()), journal.append(begun(1)), journal.append(ended(1))]
    assert [entry.number for entry in written] == [1, 2, 3]
    before = ""
    for entry in written:  # computed as docs/campaign.md says it, without code of ours
        rest = {key: value for key, value in entry.model_dump(mode="json").items() if key != "chain"}
        text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        before = hashlib.sha256((before + text).encode()).hexdigest()
        assert entry.chain == before and entry.at.endswith("+00:00")


def test_an_entry_is_there_for_others_before_append_returns(campaign):
    with Journal.create(campaign) as journal:
        for slot in range(1, 4):
            journal.append(begun(slot))
            assert [entry.slot for entry in CampaignView(campaign).entries()] == list(range(1, slot + 1))


def test_a_later_session_goes_on_where_the_last_one_ended(campaign):
    with Journal.create(campaign) as journal:
        journal.append(registered())
        journal.note("bench file: peer-1", "/somewhere")
    with Journal.open(campaign) as journal:
        assert journal.append(begun(1)).number == 2
        assert journal.notes() == {"bench file: peer-1": "/somewhere"}
    assert CampaignView(campaign).check_chain() == 2


def test_a_second_writer_is_refused_even_in_the_same_process(campaign):
    with Journal.create(campaign):
        for opened in (Journal.open, Journal.create):
            with pytest.raises(errors.UserError, match="another process conducts this campaign"):
                opened(campaign)
    Journal.open(campaign).close()


def test_a_new_journal_never_replaces_one(campaign):
    Journal.create(campaign).close()
    with pytest.raises(errors.UserError, match="--resume"):
        Journal.create(campaign)


def test_an_entry_cannot_be_taken_out_changed_or_added(campaign):
    with Journal.create(campaign) as journal:
        for slot in range(1, 6):
            journal.append(begun(slot))
    lines = list(CampaignView(campaign).lines())
    assert list(checked(lines, "x")) == lines
    for broken in (
        lines[:2] + lines[3:],
        [lines[1], lines[0], *lines[2:]],
        [*lines[:2], lines[2].replace('"slot":3', '"slot":4'), *lines[3:]],
        [*lines[:2], lines[2].replace(",", ", ", 1), *lines[3:]],
        [*lines, lines[-1]],
    ):
        with pytest.raises(EvidenceError):
            list(checked(broken, "x"))


def test_nothing_is_added_to_a_journal_that_is_not_whole(campaign):
    with Journal.create(campaign) as journal:
        for slot in range(1, 4):
            journal.append(begun(slot))
    with sqlite3.connect(campaign / JOURNAL) as connection:
        connection.execute("DELETE FROM entries WHERE number = 2")
    with pytest.raises(errors.CampaignError, match="entries are missing"):
        Journal.open(campaign)


def test_a_journal_of_a_later_version_is_left_alone(campaign):
    Journal.create(campaign).close()
    with sqlite3.connect(campaign / JOURNAL) as connection:
        connection.execute("PRAGMA user_version=2")
    with pytest.raises(errors.CampaignError, match="schema 2"):
        Journal.open(campaign)


# ---- what the disk does ----------------------------------------------------------------------------------------------

FILL = """
import resource, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_campaign_journal import begun
from vkbench import errors
from vkbench.campaign.records.journal import Journal
journal = Journal.create(Path({folder!r}))
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
written = 0
try:
    for written in range(1, 100_000):
        journal.append(begun(written))
except errors.CampaignError as error:
    print(written - 1, error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal.append(begun(written))  # there is room again
"""


def test_when_the_disk_is_full_what_was_written_stays_and_it_says_so(campaign):
    program = FILL.format(tests=str(Path(__file__).parent), folder=str(campaign))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    count, message = done.stdout.split(maxsplit=1)
    assert "cannot be written" in message and "--resume" in message and JOURNAL in message
    slots = [entry.slot for entry in CampaignView(campaign).entries()]
    assert slots == list(range(1, int(count) + 2)) and int(count) > 10
    assert CampaignView(campaign).check_chain() == len(slots)


def test_a_medium_that_takes_no_more_is_named_and_nothing_is_half_written(campaign):
    with Journal.create(campaign) as journal:
        journal.append(begun(1))
        journal._connection.execute("PRAGMA query_only=ON")  # as when the file system is read-only now
        with pytest.raises(errors.CampaignError, match="readonly"):
            journal.append(begun(2))
        journal._connection.execute("PRAGMA query_only=OFF")
        assert journal.append(begun(2)).number == 2
    assert CampaignView(campaign).check_chain() == 2


def test_limits_of_this_process_are_as_they_were():
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    assert (
        signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN
    )  # Python's; so the limit is an error, not an end


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.83, 0.99])
def test_a_torn_write_ahead_log_costs_only_what_is_torn(campaign, tmp_path, share):
    """As after a power cut with a disk that had not written what it said it had."""
    journal = Journal.create(campaign)
    try:
        for slot in range(1, 31):
            journal.append(begun(slot))
        wal = campaign / f"{JOURNAL}-wal"
        torn = tmp_path / "torn"
        torn.mkdir()
        (torn / PLAN_JSON).write_bytes((campaign / PLAN_JSON).read_bytes())
        (torn / JOURNAL).write_bytes((campaign / JOURNAL).read_bytes())
        data = wal.read_bytes()
        (torn / wal.name).write_bytes(data[: int(len(data) * share)])
    finally:
        journal.close()
    with Journal.open(torn) as again:
        left = again.last
        assert left == 0 if share == 0.0 else left < 30
        assert again.append(begun(left + 1)).number == left + 1
    assert [entry.slot for entry in CampaignView(torn).entries()] == list(range(1, left + 2))
    assert share < 0.9 or left >= 28


def test_a_file_that_is_no_database_is_named(campaign):
    (campaign / JOURNAL).write_bytes(b"not a database, but as long as one" * 400)
    with pytest.raises(errors.CampaignError, match=JOURNAL):
        Journal.open(campaign)
    with pytest.raises(EvidenceError, match=JOURNAL):
        list(CampaignView(campaign).entries())


# ---- the view --------------------------------------------------------------------------------------------------------


def test_cycles_come_in_the_order_of_their_intents_whatever_ends_first(campaign):
    died = {"fate": "died", "fault": "bench", "counts": False, "result": "INCONCLUSIVE", "as_expected": False}
    with Journal.create(campaign) as journal:
        for entry in (
            registered(),
            Session(pid=1, host="h", benches=["peer-1"]),
            BenchState(bench="peer-1", state="online"),
            *(begun(1), begun(2), ended(2), ended(1, **died), begun(1, 2), begun(3), ended(3)),
        ):
            journal.append(entry)
    cycles = list(CampaignView(campaign).cycles())
    found = [(one.slot.number, one.attempt, one.intent, one.outcome and one.outcome.number) for one in cycles]
    assert found == [(1, 1, 4, 7), (2, 1, 5, 6), (1, 2, 8, None), (3, 1, 9, 10)]
    assert [one.counts for one in cycles] == [False, True, False, True]


def test_an_attempt_of_a_slot_that_the_plan_has_not_is_named(campaign):
    with Journal.create(campaign) as journal:
        journal.append(begun(9999))
    with pytest.raises(EvidenceError, match="slot 9999"):
        list(CampaignView(campaign).cycles())


def test_lines_and_database_are_the_same_to_a_reader(campaign):
    with Journal.create(campaign) as journal:
        for slot in range(1, 9):
            journal.append(begun(slot))
            journal.append(ended(slot, measures={"margin": 0.1 * slot}, detail="ä \u2028 \x00"))
        view = CampaignView(campaign)
        before, cycles = list(view.lines()), list(view.cycles())
        (campaign / JOURNAL_LINES).write_text("".join(f"{line}\n" for line in before), newline="\n")
        journal.remove()
    assert not (campaign / JOURNAL).exists()
    assert list(view.lines()) == before and list(view.cycles()) == cycles and view.check_chain() == 16


def test_another_makers_campaign_is_read_as_well(tmp_path):
    made = make(tmp_path / "made", cycles=40, seed=3)
    view = CampaignView(tmp_path / "made")
    assert list(view.entries()) == list(made.entries()) and list(view.cycles()) == list(made.cycles())
    assert view.check_chain() == len(list(made.entries()))


def test_what_is_no_campaign_is_named(tmp_path):
    with pytest.raises(EvidenceError, match=PLAN_JSON):
        CampaignView(tmp_path)
