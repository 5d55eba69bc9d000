# SPDX-License-Identifier: Apache-2.0
"""The report: one file that needs nothing else, says the verdict first, and shows no text as markup."""

import base64
import hashlib
import html
import re
from html.parser import HTMLParser

import pytest
from synthetic_run import at, edited, post_notifiers, stock

from vkbench.evidence import EvidenceError
from vkbench.report import svg, write_report
from vkbench.report.timeline_picture import CHARACTER

EVIL = "</text><script>alert(1)</script><img src=x onerror='x'>"
VOID = {"meta", "br", "img", "link", "hr", "input"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that tags nest."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.words = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        self.words.append(data)


def report(tmp_path, *stories):
    runs = [story.save(tmp_path / f"run{number}") for number, story in enumerate(stories)]
    return write_report(runs, tmp_path / "report.html").read_text()


def headline(text):
    return re.search(r"<h1>(.*?)</h1>", text)[1]


def test_the_two_runs_of_the_demo(tmp_path):
    halted = post_notifiers()
    halted.record["uncertainty"]["clock_source"] = "an oscillator's data sheet"
    text = report(tmp_path, halted, stock())
    page = Page(text)
    assert headline(text).startswith("Told to halt, the card stopped")
    words = " ".join(" ".join(page.words).split())
    for part in ("caught, as it must be", "FAIL, as it must", "VKB-JUMP-001", "2 cycles", "vkbench verify run1",
                 "16550A", "No link training", "2.100 ms = 5", "± 50 ppm an oscillator's data sheet 105 ns"):  # fmt: skip
        assert part in words, part
    assert page.tags.count("svg") == 3


def test_the_file_needs_nothing_from_outside(tmp_path):
    text = report(tmp_path, post_notifiers(), stock())
    page = Page(text)
    assert not {"link", "img", "iframe", "object"} & set(page.tags)
    policy = html.unescape(re.search(r'Content-Security-Policy" content="(.*?)"', text)[1])
    code = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(code[0].encode()).digest()).decode()
    assert len(code) == 1 and page.tags.count("script") == 3, "one script, and the data of two runs"
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    for name, value in page.attributes:
        assert name not in ("src", "href", "xlink:href"), (name, value)
        assert not name.startswith("on")
    assert "url(" not in text and "@import" not in text
    assert set(re.findall(r"https?://[^\"'< ]+", text)) <= {"http://www.w3.org/2000/svg"}


def test_no_text_of_the_evidence_becomes_markup(tmp_path):
    story = stock()
    story.record = edited(story.record, title=EVIL, scenario=EVIL, inventory={EVIL: [EVIL, {"x": EVIL}]})
    story.record["bench"]["notes"] = [EVIL]
    story.record["uncertainty"]["sources"][0]["name"] = EVIL
    story.record["markers"] = {"panic": "Kernel panic - not syncing"}
    story.record["steps"][0]["detail"] = EVIL
    story.print(at(0.91), EVIL)
    text = report(tmp_path, story)
    page = Page(text)
    assert page.tags.count("script") == 2 and "img" not in page.tags, "the report's own, and data"
    assert "alert(1)</script>" not in text
    assert EVIL in " ".join(page.words)


@pytest.mark.parametrize(
    ("stories", "start"),
    [
        ([post_notifiers], "The card passed, but no control run"),
        ([stock], "The bench catches a card that writes on; no other run"),
        ([stock, stock], "The bench catches"),
    ],
)
def test_the_headline_claims_no_more_than_the_runs_show(tmp_path, stories, start):
    assert headline(report(tmp_path, *(make() for make in stories))).startswith(start)


def test_a_control_that_was_not_caught_makes_the_report_worthless(tmp_path):
    blind = post_notifiers()
    blind.record = edited(blind.record, must_fail=True)
    text = report(tmp_path, post_notifiers(), blind)
    assert "did not catch the run that must fail" in headline(text) and "NOT caught" in text


def test_a_failing_card_and_an_open_one_are_said_so(tmp_path):
    bad = stock()
    bad.record = edited(bad.record, must_fail=False)
    assert "did not stop as required" in headline(report(tmp_path / "a", bad, stock()))
    open_run = post_notifiers()
    open_run.lost = 3
    assert "does not answer" in headline(report(tmp_path / "b", open_run, stock()))


def test_damaged_evidence_is_said_first(tmp_path):
    run = post_notifiers().save(tmp_path / "run")
    data = bytearray((run / "capture.vkc").read_bytes())
    data[500] ^= 1
    (run / "capture.vkc").write_bytes(data)
    text = write_report([run], tmp_path / "r.html").read_text()
    Page(text)
    assert "not as it was sealed" in headline(text) and "capture.vkc" in text


def test_an_aborted_run_without_capture_can_be_reported(tmp_path):
    from vkbench.evidence import RunDirectory
    from vkbench.verdict import judge, write_verdict

    run = RunDirectory.create(tmp_path / "run")
    run.abort("Timeout", "no login prompt")
    text = write_report([run.path], tmp_path / "r.html").read_text()
    Page(text)
    assert "no login prompt" in text
    assert judge(run.path).overall == "INCONCLUSIVE" and write_verdict


def test_a_report_of_nothing_is_refused(tmp_path):
    with pytest.raises(EvidenceError):
        write_report([], tmp_path / "r.html")


@pytest.mark.parametrize("make", [post_notifiers, stock])
def test_labels_of_the_timeline_do_not_overlap(tmp_path, make):
    text = report(tmp_path, make())
    picture = text[text.index("<svg") : text.index("</svg>")]
    boxes = [
        (float(x), float(y), float(x) + CHARACTER * len(label))
        for x, y, label in re.findall(r'<text x="([\d.]+)" y="([\d.]+)" class="label[^>]*>([^<]*)<', picture)
    ]
    assert len(boxes) >= 6
    for i, (left, y, right) in enumerate(boxes):
        assert right <= 1200, "a label leaves the picture"
        for other_left, other_y, other_right in boxes[:i]:
            assert abs(y - other_y) > 12 or left >= other_right or other_left >= right


def test_a_late_halt_and_many_requests_can_be_drawn(tmp_path):
    story = post_notifiers()
    story.writes(at(1.008), at(1.009), 3, first=1000)
    text = report(tmp_path, story)
    Page(text)
    assert "more ▸" in text


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0199, "19.90 ms"),
        (5.9689, "5.969 s"),
        (1e-4, "100.0 µs"),
        (4e-7, "400 ns"),
        (0, "0"),
        (-0.03, "−30.00 ms"),
    ],
)
def test_durations_are_shown_in_a_fitting_unit(seconds, shown):
    assert svg.duration(seconds) == shown


def test_the_set_up_shows_the_program_as_read_back_and_what_was_recorded(tmp_path):
    story = stock()
    made = story.header

    def header():
        program = 'TRIG:TEXT1 "panic; not syncing";:TRIG:STEP1 1,1,FIRE'
        taps = ["RQ", "CONSOLE", "CFG"]
        count = len(story.records())
        segments = [
            {"first": 0, "count": 9, "armed": 1, "trigger": 2},
            {"first": 9, "count": count - 9, "armed": 3, "trigger": 4},
        ]
        old = made()
        return old | {
            "trigger": old["trigger"] | {"program": program},
            "qualify": {"taps": taps},
            "segments": segments,
        }

    story.header = header
    words = " ".join(" ".join(Page(report(tmp_path, story)).words).split())
    for part in (
        'TRIG:TEXT1 "panic; not syncing" :TRIG:STEP1 1,1,FIRE',
        "RQ, CONSOLE, CFG",
        "2 segments of 65",
    ):
        assert part in words, part


def test_axis_steps_are_one_two_or_five():
    assert [svg.nice_step(span, 5) for span in (1, 2.4, 7, 0.03)] == pytest.approx([0.2, 0.5, 2, 0.01])
