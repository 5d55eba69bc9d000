# SPDX-License-Identifier: Apache-2.0
"""How fast the interactive timeline is in headless Chromium: ``python bench/tests/timeline_speed.py [events]``.

Prints figures and judges nothing: they depend on the machine and on what else it does. Beside the page's own clock
stands the processor time of the renderer (all of its threads), which a busy machine changes little.
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from busy_capture import busy
from playwright.sync_api import sync_playwright

from vkbench.report.interactive import timeline_html

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
#: Pans and zooms at each scale; a frame's time is all of its painting, in the page's own clock.
FRAMES = """scale => {
  const T = vkbench.timelines[0], span = T.model.span / scale, from = T.model.span * 0.4;
  T.frames.length = 0;
  for (let i = 0; i < 60; i++) { T.show(from + i * span / 60, from + i * span / 60 + span); T.paint(); }
  for (let i = 0; i < 60; i++) { T.zoom(i % 2 ? 1.3 : 1 / 1.3); T.paint(); }
  const sorted = [...T.frames].sort((a, b) => a - b);
  return [sorted[sorted.length >> 1], sorted[Math.floor(sorted.length * 0.95)]];
}"""


def main(events: int) -> None:
    capture = busy(events * 108 // 100)
    began = time.perf_counter()
    text = timeline_html(capture)
    print(
        f"{len(capture.records)} records: {len(text) / 1e6:.2f} MB of HTML in {time.perf_counter() - began:.2f} s"
    )
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        path = Path(folder) / "busy.html"
        path.write_text(text)
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", headless=True, args=ARGUMENTS)
        system = browser.new_browser_cdp_session()

        def cpu_ms() -> float:
            processes = system.send("SystemInfo.getProcessInfo")["processInfo"]
            return 1000 * sum(one["cpuTime"] for one in processes if one["type"] == "renderer")

        first, cost = [], []
        for _ in range(5):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            before = cpu_ms()
            page.goto(path.as_uri())
            page.evaluate("vkbench.timelines[0].ready")
            first.append(page.evaluate("vkbench.timelines[0].painted"))
            cost.append(cpu_ms() - before)
        print(f"first paint after navigation: median {median(first):.0f} ms, processor {median(cost):.0f} ms")
        for scale in (1, 10, 100, 1000, 10_000):
            before = cpu_ms()
            middle, most = page.evaluate(FRAMES, scale)
            each = (cpu_ms() - before) / 120
            figures = f"median {middle:.1f} ms, 95 % within {most:.1f} ms, processor {each:.1f} ms a frame"
            print(f"pan and zoom, 1/{scale} of the capture in view: {figures}")
        browser.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
