# SPDX-License-Identifier: Apache-2.0
"""The qualification report: honest headline, nothing loaded from anywhere, bounded size, and evidence opened only where pictured."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pypdfium2
import pytest
import synthetic_campaign
from synthetic_campaign import HOSTILE

from vkbench.campaign.figures.summary import summarise
from vkbench.evidence.campaign import Bound, Distribution
from vkbench.report import qualification
from vkbench.report.qualification import page, paper, pictured, plots, wording
from vkbench.report.qualification.compact import compact
from vkbench.report.qualification.gather import Point

VOID = {"meta", "br", "img", "link", "hr", "input"}
OPTIONAL = {"td", "th"}  # their end tags are left out in the list of cycles


class Page(HTMLParser):
    """Collects what the page has."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.links, self.attributes, self.words = set(), [], [], [], []
        self.open = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name == "href"]
        if tag not in VOID | OPTIONAL:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag not in OPTIONAL:
            assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def summary_of(campaign):
    return summarise(campaign.plan, campaign.cycles(), campaign.entries())


def html_of(campaign, summary=None):
    path = campaign.path / "report" / "report.html"
    return qualification.write_as(campaign, summary or summary_of(campaign), path)[0].read_text()


def headline(text):
    return re.search(r"<h1>(.*?)</h1>", text)[1]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small conforming campaign with all of its evidence, and its page."""
    path = tmp_path_factory.mktemp("small") / "campaign"
    campaign = synthetic_campaign.make(
        path, runs="all", links=True, cycles=24, defects=["DEAF_HARD"], died={"bench": 0.1}, resets=True
    )
    return campaign, html_of(campaign)


def without(campaign, **values):
    """The campaign's summary with other values."""
    return summary_of(campaign).model_copy(update=values)


def test_page_one_says_what_was_shown_and_what_was_not(small):
    campaign, text = small
    summary = summary_of(campaign)
    page_ = Page(text)
    front = page_.text.split("Requirements and their evidence")[0]
    assert summary.plan_sha256[:16] in front and "vkbench verify campaign" in front
    for one in campaign.plan.configurations:
        assert one.name in front
    for sentence in [*summary.deviations[:5], *campaign.plan.not_tested]:
        assert " ".join(sentence.split()) in front, sentence
    assert "Pooled over configurations" in front
    for words in ("VKB-REQ-JUMP", "NOT TESTED", "Seen to fail, as it must, in:", "U, the sum", "Clopper-Pearson", "INCONCLUSIVE cycles that count"):  # fmt: skip
        assert words in page_.text, words


@pytest.mark.parametrize(
    ("values", "level", "words"),
    [
        ({"conformity": "CONFORMS", "complete": True, "stopped": "done"}, "PASS", "The card conforms"),
        ({"conformity": "DOES NOT CONFORM", "complete": True, "stopped": "done"}, "FAIL", "does not conform"),
        ({"conformity": "NOT SHOWN", "complete": True, "stopped": "done"}, "INCONCLUSIVE", "is not shown"),
        ({"conformity": "NOT SHOWN", "complete": False, "stopped": ""}, "INCONCLUSIVE", "nothing is concluded yet"),
        ({"conformity": "CONFORMS", "complete": False, "stopped": ""}, "INCONCLUSIVE", "nothing is concluded yet"),
        ({"conformity": "DOES NOT CONFORM", "complete": False, "stopped": ""}, "FAIL", "the card does not conform"),
    ],
)  # fmt: skip
def test_the_headline_says_no_more_than_the_summary(small, values, level, words):
    campaign, _ = small
    text = html_of(campaign, without(campaign, **values))
    assert words in headline(text)
    assert f'class="hero {level}"' in text
    assert ("Interim" in headline(text)) == (not values["complete"])


def test_an_unfinished_campaign(tmp_path):
    campaign = synthetic_campaign.make(tmp_path / "campaign", cycles=60, done=0.4, seed=3)
    text = html_of(campaign)
    assert headline(text).startswith("Interim report, ")
    assert "goes on, or was cut off" in text and "neither sealed nor signed yet" in text


def test_links_lead_somewhere_and_nothing_comes_from_outside(small):
    campaign, text = small
    page_ = Page(text)
    assert "default-src 'none'; style-src 'unsafe-inline'" in text
    assert not {"script", "link", "img", "iframe", "object", "image", "use"} & page_.tags
    assert len(page_.ids) == len(set(page_.ids))
    assert any(link.startswith("../cycles/") for link in page_.links)
    for link in page_.links:
        if link.startswith("#"):
            assert link[1:] in page_.ids, link
        else:
            assert (campaign.path / "report" / unquote(link)).resolve().is_dir(), link
    for name, value in page_.attributes:
        assert name != "src" and not name.startswith("on"), (name, value)
        assert name == "xmlns" or "://" not in (value or ""), (name, value)
    assert "url(" not in text and "@import" not in text


def test_hostile_texts_are_texts(tmp_path):
    campaign = synthetic_campaign.make(
        tmp_path / "a & <b>", cycles=40, hostile=True, died={"bench": 0.1, "card": 0.1}, inconclusive=0.1
    )
    text = html_of(campaign)
    page_ = Page(text)
    assert not {"img", "script"} & page_.tags
    assert "<img src=x onerror=alert(1)>" in page_.text
    assert "49" not in re.findall(r"\{\{7\*7\}\}|7\*7|>49<", text)
    assert HOSTILE[:20] not in text
    assert not {one for one in text if not one.isprintable()} - {"\n", "\t", "\u202f", "\u00a0", "\u00ad"}


def test_the_same_campaign_gives_the_same_bytes(small):
    campaign, text = small
    assert html_of(campaign) == text


def test_on_paper(tmp_path):
    campaign = synthetic_campaign.make(
        tmp_path / "campaign",
        runs="all",
        cycles=12,
        defects=[],
        resets=False,
        hostile=True,
        died={"card": 0.2},
    )
    summary = summary_of(campaign)
    path = tmp_path / "report.pdf"
    content = page.content(campaign, summary)
    paper.write(content, path)
    document = pypdfium2.PdfDocument(path)
    pages = [one.get_textpage().get_text_bounded() for one in document]
    assert document.get_page_size(0) == pytest.approx((595.3, 841.9), abs=0.2)
    for number, text in enumerate(pages, start=1):
        assert f"page {number} of {len(pages)}" in text
        assert f"plan {campaign.plan.sha256[:16]}" in text and campaign.plan.name in text
    assert content.headline in " ".join(pages[0].split())
    assert "INCONCLUSIVE" in pages[0].replace("-\r\n", "").replace("\u00ad", "")
    titles = [one.get_title() for one in document.get_toc()]
    for title in ("Statement of conformity", "Configurations", "Uncertainty", "List of cycles"):
        assert title in titles, titles
    for one in document:  # nothing is cut off at the right edge
        words = one.get_textpage()
        right = max(words.get_charbox(index)[2] for index in range(words.count_chars()))
        assert right < 595.3 - 36, right


def test_pictures_of_the_worst_and_the_median_cycle(small):
    campaign, text = small
    summary = summary_of(campaign)
    content = page.content(campaign, summary)
    shown = {one.row.key: one for one in content.pictures.shown}
    margin = next(
        one for one in summary.configurations[0].distributions if one.measure == "margin" and one.worst
    )
    assert (margin.middle.slot, margin.middle.attempt) in shown
    assert not content.pictures.damaged
    assert all("<svg" in one.timeline for one in shown.values())
    groups = {one.group for one in shown.values()}
    assert groups == {"candidate", "control"}
    assert text.count("manifest <span") == len(shown)


def test_only_pictured_evidence_is_opened_and_one_at_a_time(small, monkeypatch):
    campaign, _ = small
    opened = []
    load = pictured.load

    def counting(path):
        opened.append(path)
        return load(path)

    monkeypatch.setattr(pictured, "load", counting)
    content = page.content(campaign, summary_of(campaign))
    assert [campaign.path / one.row.directory for one in content.pictures.shown] == opened
    assert len(opened) < len(content.found.rows) / 2
    assert not any(hasattr(one, "facts") or hasattr(one, "records") for one in content.pictures.shown)


def test_changed_evidence_of_a_pictured_cycle_is_the_headline(tmp_path):
    campaign = synthetic_campaign.make(tmp_path / "campaign", runs="all", cycles=8, defects=[], resets=False)
    row = page.content(campaign, summary_of(campaign)).pictures.shown[0].row
    capture = campaign.path / row.directory / "capture.vkc"
    data = bytearray(capture.read_bytes())
    data[-100] ^= 1
    capture.write_bytes(bytes(data))
    text = html_of(campaign)
    assert headline(text) == "The evidence is not as it was sealed. Do not rely on this report."
    assert "capture.vkc: changed after sealing" in text and row.name in text


def test_another_run_in_the_place_of_a_pictured_one_is_found(tmp_path):
    campaign = synthetic_campaign.make(tmp_path / "campaign", runs="all", cycles=8, defects=[], resets=False)
    shown = page.content(campaign, summary_of(campaign)).pictures.shown
    passed = [one.row for one in shown if one.row.result == "PASS"]
    other = next(row for row in page.gather(campaign).rows if row.result == "FAIL")
    first, second = campaign.path / passed[0].directory, campaign.path / other.directory
    first.rename(first.with_name("kept"))
    second.rename(first)
    text = html_of(campaign)
    assert "Do not rely on this report" in headline(text)
    assert "is not the one of the journal" in text


def test_evidence_that_is_elsewhere_is_said_in_its_place(tmp_path):
    campaign = synthetic_campaign.make(tmp_path / "campaign", cycles=30)
    text = html_of(campaign)
    assert "the run directory is not there" in text and "is not beside this report" in text
    assert "Do not rely" not in headline(text)


def test_many_failing_cycles_are_some_pictures_and_lines(tmp_path):
    campaign = synthetic_campaign.make(tmp_path / "campaign", cycles=300, fail=0.5, missed=0.3)
    summary = summary_of(campaign)
    text = html_of(campaign, summary)
    content = page.content(campaign, summary)
    failing = [row for row in content.found.rows if row.unexpected]
    whole = [one for one in content.pictures.shown if one.group == "failing"]
    assert len(whole) == pictured.FAILING_WHOLE
    assert len(failing) > 60 and len(content.pictures.lines) == len(failing) - len(whole)
    assert f"{len(failing)} cycles: the first {len(whole)} are pictures, the others lines." in Page(text).text
    assert any(row.control for row in failing), "a control that was not caught is among them"


def test_every_attempt_that_died_and_every_unanswered_cycle_is_there(tmp_path):
    campaign = synthetic_campaign.make(
        tmp_path / "campaign", cycles=120, died={"bench": 0.1, "server": 0.05, "card": 0.05}, inconclusive=0.1
    )
    text = html_of(campaign)
    dead = text[text.index("Attempts that died</h3>") : text.index("Slots with more than one attempt")]
    unanswered = text[
        text.index("INCONCLUSIVE cycles that count</h3>") : text.index("Attempts that died</h3>")
    ]
    for cycle in campaign.cycles():
        if cycle.outcome.fate == "died":
            assert f"<code>{cycle.directory}</code>" in dead and cycle.outcome.error in dead
        if cycle.counts and cycle.outcome.result == "INCONCLUSIVE":
            assert f"<code>{cycle.directory}</code>" in unanswered
        assert f'id="c{cycle.slot.number}-{cycle.attempt}"' in text


def test_ten_thousand_cycles_fit():
    campaign = synthetic_campaign.make(
        cycles=2500, fail=0.01, inconclusive=0.02, died={"bench": 0.03}, benches=8
    )
    campaign.plan.configurations[0].title *= 3
    content = page.content(campaign, summary_of(campaign))
    text = page.html(content, campaign.path, Path("report"))
    rows = sum(len(one) for one in re.findall(r'<tr id="c\d.*\n', text))
    rest = len(text.encode()) - rows
    assert rows / len(content.found.rows) < 330
    assert rest < 1_000_000
    on_paper = page.render(content, base=None, width=430.0)
    assert '<tr id="c1-1"' not in on_paper and len(on_paper) < 800_000


def points(count):
    return [
        Point(number, f"bench-{number % 9}", (number * 7919 % 1000) / 1e6, "PASS")
        for number in range(1, count + 1)
    ]


def distribution(values, **more):
    return Distribution(
        measure="margin", title="Margin <now>", unit="s", worse="low", n=len(values), low=min(values), median=0.5,
        high=max(values), quantiles={}, **more,
    )  # fmt: skip


@pytest.mark.parametrize("limit", [None, 0.0, 5.0])
def test_a_picture_of_many_values_is_small(limit):
    many = points(60_000)
    one = distribution([point.value for point in many], limit=limit)
    marks = [(number, "FAIL" if number % 2 else "INCONCLUSIVE") for number in range(1, 60_000, 7)]
    benches = sorted({point.bench for point in many})
    order = plots.run_order(one, many, marks, benches, 60_000, 600.0)
    ecdf = plots.ecdf(one, [point.value for point in many], 600.0)
    assert len(order) < 900_000 and len(ecdf) < 30_000
    assert "&lt;now&gt;" in order and "<now>" not in ecdf
    assert order.count('class="cross"') == 1 and order.count('class="diamond"') == 1


def test_the_staircase_ends_at_the_whole():
    one = distribution([1.0, 2.0, 3.0, 4.0])
    path = re.search(r'd="([^"]*)" class="ecdf"', plots.ecdf(one, [4.0, 1.0, 3.0, 2.0], 600.0))[1]
    heights = [float(part) for part in re.findall(r"V([\d.]+)", path)]
    assert len(heights) == 4 and heights == sorted(heights, reverse=True)
    assert heights[-1] == plots.TOP


def test_constant_values_and_a_single_one_can_be_drawn():
    for values in ([0.0], [2.0, 2.0], [-1e-9, -1e-9]):
        one = distribution(values)
        some = [Point(number, "b", value, "PASS") for number, value in enumerate(values, start=1)]
        assert "nan" not in plots.ecdf(one, values, 430.0) + plots.run_order(one, some, [], ["b"], 1, 430.0)


def test_intervals_at_the_ends_of_the_scale():
    def bound(passed, n):
        share = passed / n
        return Bound(n=n, failures=n - passed, confidence=0.95, estimate=share, at_least=share * 0.9, low=share * 0.9, high=share)  # fmt: skip

    picture = plots.intervals([("all", bound(10, 10), None), ("none", bound(0, 10), None)], 700.0)
    assert "nan" not in picture and "inf" not in picture and picture.count('class="estimate"') == 2


@pytest.mark.parametrize(
    ("share", "down", "text"),
    [(1.0, True, "100 %"), (0.0, True, "0 %"), (0.99, True, "99.00 %"), (0.9599, True, "95.99 %"), (0.95999, True, "95.99 %"),
     (0.95999, False, "96.00 %"), (0.99999999, True, "99.999999 %"), (0.5, False, "50.00 %"), (None, True, "—")],
)  # fmt: skip
def test_a_bound_is_never_rounded_up(share, down, text):
    assert wording.percent(share, down) == text


def test_a_compact_picture_has_every_line():
    lines = "".join(f'<line x1="{x}.00" y1="1.00" x2="{x}.00" y2="9.50" class="byte"/>' for x in range(50))
    bars = "".join(
        f'<rect x="{x}.00" y="2.00" width="0.75" height="3.00" rx="0" class="bar dma"/>' for x in range(5)
    )
    round_ = '<rect x="1.00" y="2.00" width="3.00" height="3.00" rx="2" class="closed"/>' * 4
    text = '<text x="1" y="2" class="when" text-anchor="end">a &lt;line b</text>'
    small = compact(f"<svg>{lines}{text}{bars}{round_}</svg>")
    assert small.count("<line") == 0 and small.count("M") == 55 and text in small and round_ in small
    assert "M49 1V9.5" in small and "M4 2h.75" in small.replace("0.75", ".75")


def test_each_class_of_a_picture_has_its_rule_on_paper(small):
    campaign, _ = small
    content = page.content(campaign, summary_of(campaign))
    text = page.render(content, base=None, width=430.0)
    rules = " ".join(rule for _, rule in paper.picture_rules())
    assert "var(" not in rules
    used = {name for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL) for value in re.findall(r' class="([^"]*)"', svg) for name in value.split()}  # fmt: skip
    unstyled = {"event", "bar"}  # a leader's and a bar's second class
    for name in used - unstyled:
        assert f".{name}" in rules, name
