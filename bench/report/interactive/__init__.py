# SPDX-License-Identifier: Apache-2.0
"""The interactive timeline: one capture as a page of its own, or as a part of the report.

Everything is in the HTML: template, style, script and data; nothing is loaded from anywhere. The page's
Content-Security-Policy allows exactly this script (by its hash) and no connection at all.

model.js  the capture as rows of events and of states, and what one record says
paint.js  one canvas: the rows at any zoom
app.js    what the user does: zoom, pan, hover, jump, measure, search, filter; and a hook for tests
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from vkbench.capture.batches import Source
from vkbench.report.interactive.pack import EVENTS_MAX, Selection
from vkbench.report.interactive.scene import scene, selected
from vkbench.verdict.facts import Facts

__all__ = ["EVENTS_MAX", "script", "script_hash", "selected", "timeline_fragment", "timeline_html"]

_HERE = Path(__file__).parent
_SCRIPTS = ("model.js", "paint.js", "app.js")


def environment() -> jinja2.Environment:
    """Templates of the report and of this package; everything is escaped."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("vkbench.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def script() -> Markup:
    """The script of a page with any number of timelines."""
    parts = [(_HERE / name).read_text() for name in _SCRIPTS]
    text = '"use strict";\n(() => {\n' + "\n".join(parts) + "\n})();\n"
    assert "</script" not in text.lower()
    return Markup(text)


def script_hash() -> str:
    """The script's hash, as a Content-Security-Policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script().encode()).digest()).decode()


def timeline_fragment(
    source: Source,
    markers: Mapping[str, str] | None = None,
    facts: Facts | None = None,
    title: str = "Timeline",
    notes: Sequence[str] = (),
    selection: Selection | None = None,
) -> Markup:
    """One timeline for a page that has the script and the style (``interactive/style.css``, ``palette.css``).

    ``source``: a capture in memory or in a file, whole or damaged (batches.Mended; the page says what could not be read).
    ``markers``, ``facts``: see scene.scene(). ``notes``: sentences under the picture, such as what was filtered out.
    ``selection``: its records, when they were chosen already. Raises CaptureError when the file cannot be read.
    """
    chosen = selection or selected(source, facts)
    damage = [f"Could not be read: {error}" for error in getattr(source, "errors", ())]
    data = scene(source.header, chosen, markers, facts, getattr(source, "breaks", ()))
    template = environment().get_template("interactive/fragment.html.j2")
    return Markup(template.render(data=data, title=title, notes=[*notes, *damage]))


def timeline_html(
    source: Source,
    markers: Mapping[str, str] | None = None,
    facts: Facts | None = None,
    title: str = "Capture",
    notes: Sequence[str] = (),
) -> str:
    """A page of its own for one capture; the same arguments as timeline_fragment()."""
    template = environment().get_template("interactive/page.html.j2")
    return template.render(
        title=title,
        header=source.header,
        timeline=timeline_fragment(source, markers, facts, title, notes),
        script=script(),
        script_hash=script_hash(),
    )
