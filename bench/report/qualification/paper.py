# SPDX-License-Identifier: Apache-2.0
"""The report on paper: A4 by WeasyPrint, with page numbers, a running header and bookmarks.

WeasyPrint styles a picture by what stands in the picture alone and knows no variables there, so each gets the rules for
pictures with their colours filled in, and is given to it as an image.
"""

import gc
import hashlib
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vkbench import errors
from vkbench.evidence import atomic_write
from vkbench.report.qualification import page

if TYPE_CHECKING:
    from vkbench.report.qualification.page import Content

_REPORT = Path(__file__).parent.parent
_RULE = re.compile(r"(svg[^{}]*)\{([^{}]*)\}")
_VARIABLE = re.compile(r"--([a-z0-9-]+):\s*([^;}]+)")
_PICTURE = re.compile(r'(<svg [^>]*aria-label="(?P<title>[^"]*)"[^>]*>)(.*?</svg>)', re.DOTALL)
_CLASS = re.compile(r'class="([^"]*)"')
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PLOT_WIDTH = 430.0
#: Pictures shrink on paper; their texts less so.
_LARGER = "text, text.lane, text.label { font-size:13.5px } text.when, text.state { font-size:12.5px }"


def write(content: "Content", path: Path) -> None:
    """Write the PDF. Raises UserError when WeasyPrint, or a library that it needs, is not installed."""
    try:
        import weasyprint
        from weasyprint.urls import URLFetcher, URLFetcherResponse
    except (ImportError, OSError) as error:
        raise errors.UserError(
            f"the report cannot be written as PDF: {error}", "", "Install WeasyPrint and Pango: make setup"
        ) from error
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    text, pictures = apart(page.render(content, base=None, width=_PLOT_WIDTH))

    class Pictures(URLFetcher):
        """Gives out the pictures of this report, and nothing else from anywhere."""

        def fetch(self, url: str, headers: Any = None) -> URLFetcherResponse:
            return URLFetcherResponse(url, pictures[url], {"Content-Type": "image/svg+xml"})

    identifier = hashlib.sha256("".join([text, *pictures.values()]).encode()).hexdigest()[:32].encode()
    document = weasyprint.HTML(string=text, url_fetcher=Pictures(), media_type="print")
    with _few_collections():
        data = document.write_pdf(pdf_identifier=identifier)
    assert data is not None
    atomic_write(path, data)


def apart(text: str) -> tuple[str, dict[str, str]]:
    """The page without its pictures, and the pictures by the address under which the page names them, each with its rules.
    Left in the page, each of their elements would be styled and laid out as a part of it.
    """
    rules = picture_rules()
    pictures: dict[str, str] = {}

    def name(match: re.Match[str]) -> str:
        address = f"picture:{len(pictures)}"
        used = {"text", "svg", *" ".join(_CLASS.findall(match[3])).split()}
        style = " ".join(rule for names, rule in rules if names <= used)
        pictures[address] = _NO_XML.sub("\ufffd", f"{match[1]}<style>{style}{_LARGER}</style>{match[3]}")
        return f'<img src="{address}" alt="{match["title"]}">'

    return _PICTURE.sub(name, text), pictures


def picture_rules() -> list[tuple[set[str], str]]:
    """The rules for pictures, with the colours of paper; before each the classes that it is about."""
    sheets = [_REPORT / "page.css", _REPORT / "palette.css", Path(__file__).parent / "style.css"]
    text = "\n".join(sheet.read_text() for sheet in sheets)
    colours: dict[str, str] = {}
    for block in re.findall(r"@media print \{ :root \{([^}]*)\}", text):
        colours.update(dict(_VARIABLE.findall(block)))
    rules = [({"text"}, "text { font-family: Liberation Sans, DejaVu Sans, sans-serif }")]
    for selector, body in _RULE.findall(text):
        if "font-family" in body or "display" in body:
            continue
        filled = re.sub(r"var\(--([a-z0-9-]+)\)", lambda match: colours[match[1]].strip(), body)
        plain = selector.replace("svg ", "").strip()
        rules.append((set(re.findall(r"\.([a-z0-9]+)", plain)), f"{plain} {{{filled.strip()}}}"))
    return rules


@contextmanager
def _few_collections() -> Iterator[None]:
    """Laying out makes millions of objects that stay; looking through them for garbage takes a quarter of the time."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
