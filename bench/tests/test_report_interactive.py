# SPDX-License-Identifier: Apache-2.0
"""The interactive timeline: what is packed into the page, and what a real browser does with it.

Times are cycles since the first record, as in the page's hook (app.js).
"""

import base64
import re
import shutil
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from busy_capture import BASE, HZ, busy, header
from playwright.sync_api import sync_playwright

from vkbench.capture import records as rec
from vkbench.capture import vkc
from vkbench.capture.batches import Mended, batches
from vkbench.capture.layout import Kind, Tap
from vkbench.capture.pairs import Pairing
from vkbench.capture.records import DTYPE
from vkbench.capture.vkc import Capture
from vkbench.report import write_report
from vkbench.report.interactive import timeline_html
from vkbench.report.interactive.pack import EVENTS_MAX, NEAR_CYCLES, encode, select
from vkbench.report.interactive.scene import scene

RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "captures"
ALONE = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# ---- packing ---------------------------------------------------------------------------------------------------------


def decoded(text, count):
    """What model.js does: undo encode()."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(-1, count)
    records = np.ascontiguousarray(planes[:32].T).view(DTYPE).reshape(-1).copy()
    records["timestamp"] = np.cumsum(records["timestamp"])
    between, numbers = (
        np.ascontiguousarray(planes[at : at + 4].T).view("<u4").reshape(-1) for at in (32, 36)
    )
    return records, between, np.cumsum(numbers)


def test_packing_is_lossless():
    capture = busy(3000)
    chosen = select(capture)
    records, between, numbers = decoded(encode(chosen), len(capture.records))
    records["timestamp"] += capture.records["timestamp"][0]
    assert records.tobytes() == capture.records.tobytes()
    assert (between == rec.folded(capture.records)).all() and between.max() == 120
    assert (numbers == np.arange(len(capture.records))).all()


def test_an_empty_capture_makes_a_page():
    empty = Capture(busy(20).header, rec.empty())
    assert "<canvas" in timeline_html(empty)


def test_even_random_traffic_takes_at_most_16_bytes_an_event():
    rng = np.random.default_rng(2)
    records = rec.empty(100_000)
    records["timestamp"] = np.cumsum(rng.integers(1, 5000, len(records)))
    records["kind"] = rng.integers(Kind.CQ, Kind.RC + 1, len(records))
    records["data"] = rng.integers(0, 1 << 32, len(records))
    records["header"][:, 0] = np.where(records["kind"] == Kind.RQ, 0x6000_0010, 0x4A00_0010)
    records["header"][:, 1] = 0x0100_00FF | rng.integers(0, 256, len(records)) << 8
    records["header"][:, 3] = rng.integers(0, 1 << 30, len(records)) << 2
    text = timeline_html(Capture(busy(20).header, records))
    assert len(scene(busy(20).header, select(Capture(busy(20).header, records)))["records"]) <= 16 * len(
        records
    )
    assert len(text) <= 3_000_000


def test_a_large_capture_is_thinned_out_honestly():
    capture = busy(60_000)
    records, key = capture.records, int(capture.records["timestamp"][30_000])
    chosen = select(capture, [key], limit=12_000)
    kept = chosen.records
    assert len(kept) < 20_000 and chosen.total == len(records)
    assert {Kind.RQ, Kind.RC} <= set(chosen.merged)
    assert (records[chosen.numbers] == kept).all(), "what is kept is unchanged"
    for kind in Kind:
        whole, part = records["kind"] == kind, kept["kind"] == kind
        # Every event is either there or counted: nothing appears and nothing vanishes.
        counted = int(np.sum(chosen.between[part].astype(np.int64) + 1))
        assert counted == int(rec.tlp_count(records[whole]).sum()), kind.name
        if kind not in chosen.merged:
            assert whole.sum() == part.sum(), kind.name
        elif whole.any():
            assert part.sum() < whole.sum() / 2
            assert {kept[part][0].tobytes(), kept[part][-1].tobytes()} == {
                records[whole][0].tobytes(),
                records[whole][-1].tobytes(),
            }
    assert rec.doorbells(kept).sum() == rec.doorbells(records).sum() == 1
    near = np.abs(records["timestamp"].astype(np.int64) - key) <= NEAR_CYCLES
    assert near.sum() >= 8 and np.isin(np.flatnonzero(near), chosen.numbers).all()


def test_thinning_a_file_keeps_memory_flat(tmp_path):
    """A file of 48 MB is thinned out in a fraction of its size, and the page says what it left out."""
    part = busy(EVENTS_MAX).records
    span = int(part["timestamp"][-1]) - BASE + 1000
    copies = 5
    with vkc.Writer(tmp_path / "large.vkc", header(part)) as writer:
        for number in range(copies):
            shifted = part.copy()
            shifted["timestamp"] += np.uint64(number * span)
            writer.append(shifted)
    size = (tmp_path / "large.vkc").stat().st_size
    with vkc.open(tmp_path / "large.vkc") as file:
        tracemalloc.start()
        chosen = select(file)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        text = timeline_html(file)
    assert size > 40_000_000 and peak < size * 0.75
    assert len(chosen.records) <= EVENTS_MAX * 1.1 and len(text) < 4_000_000
    assert f"This capture has {copies * len(part):,} records" in text


# ---- browser ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium")
    assert path, "no chromium: install the packages of fixtures/host/apt.txt (fixtures/host/setup.sh does)"
    with sync_playwright() as play:
        program = play.chromium.launch(executable_path=path, headless=True, args=ALONE)
        yield program
        program.close()


class Screen:
    """A page with timelines in the browser; everything that goes wrong in it is collected in ``problems``."""

    def __init__(self, browser, path, **options):
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        self.page = self.context.new_page()
        self.problems, self.requests = [], []
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.number = 0
        if options.get("java_script_enabled", True):
            self.page.evaluate("Promise.all(vkbench.timelines.map(one => one.ready))")

    def run(self, expression, *values):
        """Evaluate in the page; ``T`` is the timeline. What it changed has been painted afterwards."""
        return self.page.evaluate(
            f"async values => {{ const T = vkbench.timelines[{self.number}]; const found = await ({expression});"
            " T.paint(); return found; }",
            [one.item() if isinstance(one, np.generic) else one for one in values],
        )

    @property
    def state(self):
        return self.run("T.snapshot()")

    def show(self, start, stop):
        self.run("T.show(...values)", start, stop)

    def point(self, time, row):
        """Where that is in the window."""
        x, y = self.run("[T.x(values[0]), T.y(values[1])]", time, row)
        box = self.page.locator(".vkt canvas").nth(self.number).bounding_box()
        return box["x"] + x, box["y"] + y

    def hover(self, time, row, right=1.0):
        x, y = self.point(time, row)
        self.page.mouse.move(x + right, y)
        tip = self.page.locator(".vkt-tip").nth(self.number)
        return tip.inner_text() if tip.is_visible() else ""

    def pixel(self, time, row, right=0.5, down=0.0):
        """Colour (r, g, b, a) on the canvas."""
        return self.run(
            "(([x, y, k]) => { const g = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});"
            " g.drawImage(T.canvas, Math.floor(x * k), Math.floor(y * k), 1, 1, 0, 0, 1, 1);"
            " return [...g.getImageData(0, 0, 1, 1).data]; })"
            "([T.x(values[0]) + values[2], T.y(values[1]) + values[3], devicePixelRatio])",
            time, row, right, down,
        )  # fmt: skip

    def striped(self, time, row):
        """True when the canvas is hatched there."""
        return len({tuple(self.pixel(time, row, right=right, down=-4)) for right in range(9)}) > 1

    def colour(self, name):
        """A colour of the palette as (r, g, b, a)."""
        return self.run(
            "(name => { const g = document.createElement('canvas').getContext('2d');"
            " g.fillStyle = T.painter.colour[name]; g.fillRect(0, 0, 1, 1);"
            " return [...g.getImageData(0, 0, 1, 1).data]; })(values[0])",
            name,
        )


@pytest.fixture
def screen(browser, tmp_path):
    opened = []

    def open_page(text, **options):
        path = tmp_path / f"page{len(opened)}.html"
        path.write_text(text)
        opened.append(Screen(browser, path, **options))
        return opened[-1]

    yield open_page
    for one in opened:
        one.context.close()
        assert one.problems == []
        assert all(url.startswith("file://") for url in one.requests) and len(one.requests) == 1


@pytest.fixture(scope="module")
def capture():
    return busy(4000)


@pytest.fixture
def page(screen, capture):
    return screen(timeline_html(capture, title="Busy"))


def times(capture, kind):
    """Places of a kind's records, and their times in the page."""
    places = np.flatnonzero(capture.records["kind"] == kind)
    since = capture.records["timestamp"][places] - capture.records["timestamp"][0]
    return places, since.astype(np.int64)


def test_the_browser_sees_the_records_as_they_are(page, capture):
    records = capture.records
    found = page.run(
        "({time: [...T.model.time], kind: [...T.model.kind], aux: [...T.model.aux], data: [...T.model.data],"
        " dw: T.model.dw.map(one => [...one]), flags: [...T.model.flags], number: [...T.model.number]})"
    )
    assert found["time"] == (records["timestamp"] - records["timestamp"][0]).tolist()
    for name in ("kind", "aux", "data", "flags"):
        assert found[name] == records[name].tolist(), name
    assert np.array_equal(np.array(found["dw"]).T, records["header"])
    assert found["number"] == list(range(len(records)))


def test_hovering_over_a_tlp_shows_its_address_payload_and_time(page, capture):
    places, since = times(capture, Kind.RQ)
    writes = [k for k, place in enumerate(places) if rec.is_write(capture.records[place : place + 1])[0]]
    k = writes[40]
    one = capture.records[places[k] : places[k] + 1]
    page.show(since[k] - 300, since[k] + 300)
    text = page.hover(int(since[k]), "RQ")
    assert f"MWr64 {int(rec.tlp_address(one)[0]):#x}" in text
    assert f"0x{int(one['data'][0]):08x}" in text and f"record {places[k]}" in text
    assert re.sub(r"\s", "", f"cycle {int(one['timestamp'][0])}") in re.sub(r"\s", "", text)
    assert page.state["hover"] == text.split("\n")


def test_an_event_is_drawn_where_its_time_says(page, capture):
    _, since = times(capture, Kind.RQ)
    k = 55
    page.show(since[k] - 200, since[k] + 200)
    accent = page.colour("accent")
    assert page.pixel(int(since[k]), "RQ", right=1) == accent
    assert page.pixel(int(since[k]), "RQ", right=-6) != accent
    page.run(
        "T.model.byKind.get('RQ').times.fill(-1e9)"
    )  # the check can fail: without events there is no tick
    assert page.pixel(int(since[k]), "RQ", right=1) != accent


def test_a_folded_run_is_a_bar_from_its_first_to_its_last_tlp(page, capture):
    places, since = times(capture, Kind.RQ)
    k = int(np.flatnonzero(rec.folded(capture.records[places]))[10])
    page.show(since[k - 1] - 100, since[k] + 100)
    inside, outside = (int(since[k - 1] + since[k]) // 2, int(since[k - 1]) - 40)
    panel = page.colour("panel")
    assert page.pixel(inside, "RQ", down=8) not in (panel, page.colour("accent"))
    assert page.pixel(outside, "RQ", down=8) == panel
    text = page.hover(inside, "RQ")
    assert f"120 events folded, between records {places[k - 1]} and {places[k]}" in text


def test_requests_are_paired_with_their_completions_as_the_exports_pair_them(page, capture):
    pairing = Pairing(capture)
    exchanges = [one for batch in batches(capture) for one in pairing.feed(batch)] + list(pairing.end())
    expected = {
        one.request: one.completions[-1] for one in exchanges if one.request is not None and one.completions
    }
    partner = page.run("[...T.model.partner]")
    requests = {
        i: other
        for i, other in enumerate(partner)
        if other >= 0 and capture.records["kind"][i] in (Kind.CQ, Kind.RQ)
    }
    assert len(requests) > 900 and requests == expected
    request, completion = next(iter(requests.items()))
    since = capture.records["timestamp"].astype(np.int64) - int(capture.records["timestamp"][0])
    page.show(int(since[request]) - 100, int(since[completion]) + 100)
    row = Kind(int(capture.records["kind"][request])).name
    latency = int(since[completion] - since[request])
    assert f"answered by record {completion}, {latency} cycles later" in page.hover(int(since[request]), row)


def test_no_pair_is_made_up(screen):
    """A read in two completions is one pair; a third completion of its tag, or one behind a loss, belongs to nothing."""
    read = [0x2000_0020, 0x0100_09FF, 1, 0]

    def completion(due):
        return [0x4A00_0010, due, 0x0100_0900, 0]

    story = [
        (Kind.RQ, read), (Kind.RC, completion(128)), (Kind.RC, completion(64)), (Kind.RC, completion(64)),
        (Kind.RQ, read), (Kind.LOSS, [0] * 4), (Kind.RC, completion(64)),
    ]  # fmt: skip
    records = rec.empty(len(story))
    records["timestamp"] = BASE + np.arange(len(story)) * 100
    for record, (kind, head) in zip(records, story, strict=True):
        record["kind"], record["header"] = kind, head
    page = screen(timeline_html(Capture(busy(20).header, records)))
    assert page.run("[...T.model.partner]") == [2, 0, 0, -1, -1, -1, -1]


def test_the_wheel_zooms_about_the_pointer_once_the_picture_has_the_focus(page):
    page.page.evaluate("document.activeElement.blur()")
    before = page.state
    middle = before["from"] + (before["to"] - before["from"]) * 0.3
    x, y = page.point(middle, "RQ")
    page.page.mouse.move(x, y)
    page.page.mouse.wheel(0, -400)
    page.page.wait_for_timeout(100)
    assert page.state["from"] == before["from"], "without the focus the wheel scrolls the page"
    page.page.mouse.click(x, y)
    page.page.mouse.wheel(0, -400)
    page.page.wait_for_function(f"vkbench.timelines[0].state.from > {before['from']}")
    after = page.state
    assert after["to"] - after["from"] == pytest.approx((before["to"] - before["from"]) / 4)
    assert page.point(middle, "RQ")[0] == pytest.approx(
        x, abs=4
    )  # the mouse has whole pixels, four times as wide now


def test_dragging_pans_by_what_the_pointer_moved(page, capture):
    _, since = times(capture, Kind.RQ)
    page.show(since[100], since[130])
    t = int(since[115])
    x, y = page.point(t, "MSIX")
    page.page.mouse.move(x, y)
    page.page.mouse.down()
    page.page.mouse.move(x - 120, y, steps=4)
    page.page.mouse.up()
    assert page.point(t, "MSIX")[0] == pytest.approx(x - 120, abs=1)


def test_the_overview_moves_the_view(page):
    page.show(1000, 21_000)
    span = page.run("T.model.span")
    box = page.page.locator(".vkt canvas").bounding_box()
    x = page.run("T.painter.overviewX(values[0])", span / 2)
    page.page.mouse.click(box["x"] + x, box["y"] + 15)
    state = page.state
    assert (state["from"] + state["to"]) / 2 == pytest.approx(span / 2, rel=0.01)
    assert state["to"] - state["from"] == pytest.approx(20_000)


def test_a_span_is_measured_between_two_events_to_the_cycle(page, capture):
    _, since = times(capture, Kind.MSIX)
    a, b = int(since[20]), int(since[21])
    page.show(a - 500, b + 500)
    start, stop = page.point(a, "MSIX"), page.point(b, "MSIX")
    page.page.mouse.move(start[0] + 2, start[1])
    page.page.keyboard.down("Shift")
    page.page.mouse.down()
    page.page.mouse.move(stop[0] - 2, stop[1], steps=5)
    page.page.mouse.up()
    page.page.keyboard.up("Shift")
    state = page.state
    assert state["measure"] == {"a": a, "b": b}, "both ends snap to the events"
    microseconds = (b - a) / HZ * 1e6
    assert f"{microseconds:.3f} µs = {b - a:,} cycles".replace(",", "\u202f") in state["said"]
    page.page.keyboard.press("Escape")
    assert page.state["measure"] is None


def test_the_keyboard_does_all_of_it(page, capture):
    places, since = times(capture, Kind.MSIX)
    press = page.page.keyboard.press
    page.page.locator(".vkt-picture").focus()
    press("0")
    whole = page.state["to"] - page.state["from"]
    press("+")
    assert page.state["to"] - page.state["from"] == pytest.approx(whole / 2)
    left = page.state["from"]
    press("ArrowRight")
    assert page.state["from"] > left
    page.show(int(since[30]) - 10_000, int(since[30]) + 10_000)
    while page.state["row"] != "MSIX":
        press("ArrowDown")
    press("n")
    assert page.state["selected"] == places[np.searchsorted(since, int(since[30]))]
    press("[")
    press("n")
    press("n")
    press("p")
    assert page.state["selected"] == places[31] and f"record {places[31]}" in page.state["said"]
    press("]")
    state = page.state
    assert state["measure"] == {"a": int(since[30]), "b": int(since[31])}
    press("z")
    assert page.state["zero"] == since[31] and page.state["zeroName"] == "the selected event"
    press("m")
    assert page.page.evaluate("document.activeElement.dataset.vktJump !== undefined")
    page.page.locator(".vkt-picture").focus()
    press("/")
    assert page.page.evaluate("document.activeElement.type") == "search"


def test_a_marker_is_jumped_to_and_can_be_time_zero(page, capture):
    place = int(np.flatnonzero(capture.records["kind"] == Kind.MARK)[1])
    t = int(capture.records["timestamp"][place] - capture.records["timestamp"][0])
    page.page.get_by_text("Key events, as a table").click()
    page.page.get_by_role("button", name="load ended", exact=True).click()
    state = page.state
    assert state["from"] < t < state["to"] and state["to"] - state["from"] < page.run("T.model.span") / 10
    assert "load ended" in page.hover(t, "MARK")
    page.page.locator("select").select_option(label="load ended")
    assert page.state["zero"] == t
    row = page.page.locator("tr", has=page.page.get_by_role("button", name="load ended", exact=True))
    assert row.locator("td").nth(1).inner_text() == "0"


def test_console_text_is_searched(page):
    lines = page.run("T.model.lines.map(line => [line.from, line.text])")
    page.page.get_by_placeholder("search").fill("MESSAGE 3 ")
    assert page.state["search"] == [lines[3][1]] and "message 3 of the busy server" in lines[3][1]
    page.page.keyboard.press("Enter")
    state = page.state
    assert state["row"] == "CONSOLE" and state["from"] < lines[3][0] < state["to"]
    assert lines[3][1] in page.hover(lines[3][0], "CONSOLE")


def test_rows_can_be_switched_off(page):
    height = page.run("T.painter.height")
    assert "RQ" in page.state["rows"] and "link_up" in page.state["rows"]
    page.page.get_by_text("Rows and keys").click()
    page.page.get_by_label("card → host: requests").uncheck()
    assert "RQ" not in page.state["rows"] and page.run("T.painter.height") < height


def test_states_are_rebuilt_from_their_changes(page, capture):
    trigger = int(capture.header.trigger.time - capture.records["timestamp"][0])
    gate = times(capture, Kind.GATE)[1]
    assert "up, 16 GT/s ×8" in page.hover(trigger, "link_up", right=30)
    assert "on, Command 0x0507" in page.hover(trigger, "BME", right=30)
    page.show(int(gate[0]) - 5000, int(gate[1]) + 5000)
    middle = int(gate[0] + gate[1]) // 2
    assert "closed: DOORBELL" in page.hover(middle, "GATE") and "card reset" in page.hover(middle, "RESET")
    assert "open" in page.hover(int(gate[0]) - 3000, "GATE")


def test_a_loss_is_hatched_on_the_rows_of_its_taps_only(page, capture):
    place = int(np.flatnonzero(capture.records["kind"] == Kind.LOSS)[0])
    assert int(capture.records["aux"][place]) == 1 << Tap.RQ | 1 << Tap.RC
    t = int(capture.records["timestamp"][place] - capture.records["timestamp"][0])
    gaps = page.run("Object.fromEntries(T.model.rows.map(row => [row.id, row.gaps]))")
    _, kept = times(capture, Kind.RC)
    assert gaps["RC"] == [{"from": int(kept[kept < t][-1]), "to": t, "lost": 37}]
    assert {row for row, found in gaps.items() if found} == {"RQ", "RC"}
    page.show(t - 3000, t + 1000)
    panel = page.colour("panel")
    assert page.pixel(t, "RC", right=-2) != panel
    assert page.pixel(t, "CC", right=-4) == panel
    assert "37 events" in page.page.locator(".vkt-note").nth(1).inner_text()


def test_segments_and_taps_that_were_not_recorded_are_hatched(screen, capture):
    head = header(capture.records) | {"qualify": {"taps": ["RQ", "RC", "CONSOLE", "MARK"]}}
    half = len(capture.records) // 2
    kept = np.r_[0 : half - 500, half + 500 : len(capture.records)]
    records = capture.records[kept]
    head["segments"] = [
        {"first": 0, "count": half - 500, "armed": 1, "trigger": 2},
        {"first": half - 500, "count": len(records) - half + 500, "armed": 3, "trigger": 4},
    ]
    page = screen(timeline_html(Capture(type(capture.header).model_validate(head), records)))
    since = (records["timestamp"] - records["timestamp"][0]).astype(np.int64)
    gap = page.run("T.painter.outside")
    assert gap[1] == [int(since[half - 501]) + 1, int(since[half - 500])]
    page.show(gap[1][0] - 1e5, gap[1][1] + 1e5)
    assert page.striped(gap[1][0] + (gap[1][1] - gap[1][0]) // 4, "MARK")
    page.show(2e5, 6e5)
    assert page.striped(3e5, "GATE") and not page.striped(3e5, "MARK")
    assert page.run("T.model.unrecorded") == ["CQ", "CC", "CFG", "RESET", "MSIX", "GATE", "CONFIG", "LEVEL"]


def test_a_hundred_thousand_events(screen):
    capture = busy(108_000)
    assert len(capture.records) >= 99_000
    text = timeline_html(capture)
    assert len(text) < 3_000_000
    page = screen(text)
    totals = page.run("Object.fromEntries(T.model.rows.map(row => [row.id, row.total]))")
    for kind in (Kind.CQ, Kind.CC, Kind.RQ, Kind.RC, Kind.MSIX, Kind.CONSOLE):
        chosen = capture.records[capture.records["kind"] == kind]
        assert totals[kind.name] == rec.tlp_count(chosen).sum(), kind.name
    page.run("T.show(0, T.model.span)")
    span = page.run("T.model.span")
    for share in (0.1, 0.37, 0.5, 0.93):  # everywhere something, and a column says how much
        assert page.pixel(share * span, "RQ", down=8) == page.colour("accent")
        words = page.hover(share * span, "RQ")
        count = int(re.sub(r"\D", "", re.match(r"([\d\u202f]+) card → host: requests", words)[1]))
        low, high = (page.run("T.painter.t(T.x(values[0]) + values[1])", share * span, by) for by in (0, 2))
        _, since = times(capture, Kind.RQ)
        inside = capture.records[capture.records["kind"] == Kind.RQ][(since >= low) & (since < high)]
        assert count == pytest.approx(rec.tlp_count(inside).sum(), abs=260)
        assert "addresses 0x" in words


# ---- report ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "report.html"
    return write_report([RECORDED / "panic-stock", RECORDED / "panic-post-notifiers"], out).read_text()


def test_two_recorded_runs_share_one_report(screen, report):
    page = screen(report)
    assert page.run("vkbench.timelines.length") == 2
    for page.number, (title, count) in enumerate([("panic-stock", 21_026), ("panic-post-notifiers", 6061)]):
        assert page.state["count"] == count, title
        markers = page.run("Object.fromEntries(T.model.markers.map(one => [one.name, one.t]))")
        assert page.state["zero"] == markers["panic text"]
        state = page.state
        assert state["from"] < markers["panic text"] < markers["jump"] < state["to"], (
            "the crash is what is seen at first"
        )
    # The second run's halt: four cycles are allowed, and the gate closed one cycle after the doorbell.
    page.page.locator(".vkt").nth(1).get_by_role("button", name="the halt").click()
    assert markers["gate closed"] - markers["doorbell"] == 1
    assert page.state["from"] < markers["doorbell"] < page.state["to"] < markers["doorbell"] + 40
    page.page.locator(".vkt").nth(1).scroll_into_view_if_needed()
    assert "doorbell MWr32 BAR0" in page.hover(markers["doorbell"], "CQ")
    allowed, outside = (page.pixel(markers["doorbell"] + at, "GATE", down=-16) for at in (2.5, -2.5))
    assert allowed != outside


def test_the_uncertainty_of_a_text_is_a_band_before_it(screen, report):
    page = screen(report)
    bands = page.run("T.model.bands.filter(band => band.name === 'U')")
    jump = page.run("T.model.markers.find(one => one.name === 'jump').t")
    band = next(one for one in bands if one["to"] == jump)
    assert band["to"] - band["from"] == 762 and len(bands) == 4
    page.show(jump - 2000, jump + 1000)
    inside, before = page.pixel(jump - 300, "CQ", down=-14), page.pixel(jump - 1200, "CQ", down=-14)
    assert inside != before


def test_requests_after_the_jump_are_in_the_colour_of_failure(screen, report):
    page = screen(report)
    jump = page.run("T.model.jump")
    times_ = page.run("[...T.model.byKind.get('RQ').times]")
    later, earlier = next(t for t in times_ if t > jump), [t for t in times_ if t < jump][-5]
    page.show(earlier - 3000, later + 3000)
    assert page.pixel(later, "RQ", right=1) == page.colour("fail")
    assert page.pixel(earlier, "RQ", right=1) == page.colour("accent")


def test_dark_light_and_narrow(screen, report):
    light, dark = screen(report, color_scheme="light"), screen(report, color_scheme="dark")
    middle = (light.state["from"] + light.state["to"]) / 2
    assert light.colour("panel") == light.pixel(middle, "CQ") != dark.pixel(middle, "CQ")
    dark.page.emulate_media(color_scheme="light")
    panel = light.run("T.painter.colour.panel")
    dark.page.wait_for_function(f"vkbench.timelines[0].painter.colour.panel === {panel!r}")
    assert dark.pixel(middle, "CQ") == light.colour("panel"), "the picture follows the system"
    narrow = screen(report, viewport={"width": 420, "height": 800})
    assert narrow.page.evaluate("document.documentElement.scrollWidth") <= 420
    assert narrow.run("T.painter.right - T.painter.left") > 200


def test_on_paper_and_without_a_script_the_still_pictures_stand_in(screen, report):
    paper = screen(report)
    assert (
        paper.page.locator("canvas").first.is_visible() and not paper.page.locator("svg").first.is_visible()
    )
    paper.page.emulate_media(media="print")
    assert not paper.page.locator("canvas").first.is_visible() and paper.page.locator("svg").count() == 3
    assert all(paper.page.locator("svg").nth(n).is_visible() for n in range(3))
    plain = screen(report, java_script_enabled=False)
    assert (
        plain.page.locator("svg").first.is_visible() and not plain.page.locator("canvas").first.is_visible()
    )
    plain.page.get_by_text("Key events, as a table").first.click()
    assert plain.page.get_by_role("cell", name="Kernel panic - not syncing").first.is_visible()


def test_a_damaged_file_says_what_is_missing_and_where(screen, tmp_path):
    path = tmp_path / "damaged.vkc"
    capture = busy(40_000)
    vkc.write(path, capture.header, capture.records)
    with vkc.open(path) as file:
        starts = file.starts.tolist()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    page = screen(timeline_html(Mended(path), notes=["Only a test."]))
    since = (capture.records["timestamp"] - capture.records["timestamp"][0]).astype(np.int64)
    missing = next(k for k, stop in enumerate(starts[1:]) if stop * 32 > len(data) / 2 - 4000)
    assert page.state["count"] == len(capture.records) - (starts[missing + 1] - starts[missing])
    gap = [int(since[starts[missing] - 1]) + 1, int(since[starts[missing + 1]])]
    assert page.run("T.painter.outside")[1] == gap
    text = page.page.locator("main").inner_text()
    assert f"block {missing}: the CRC is wrong" in text and "Only a test." in text


def test_a_page_of_its_own_for_a_recorded_capture(screen):
    with vkc.open(RECORDED / "panic-post-notifiers" / "capture.vkc") as file:
        page = screen(
            timeline_html(file, markers={"the end of the server": "Kernel panic"}, title="<b>One</b> capture")
        )
    assert page.page.title() == "vkbench: <b>One</b> capture"
    assert page.run("T.model.markers.some(one => one.name === 'the end of the server')")
    assert page.state["zeroName"] == "trigger"
