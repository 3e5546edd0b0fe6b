"""The report of an analysis in every output format; other packages add theirs as plugins."""

from collections.abc import Callable
from typing import Protocol

from perfops.analysis.services import Report
from perfops.management.formats import html, json_report, markdown, sarif, text
from perfops.plugins import Group, usable


class OutputFormat(Protocol):
    """``NAME``: the word after ``--format``; ``render`` returns the whole report as text."""

    NAME: str

    def render(self, report: Report) -> str: ...


def _wrong(value: object) -> str:
    lacking = [name for name in ("NAME", "render") if not hasattr(value, name)]
    return f"a format has NAME and render; it lacks {', '.join(lacking)}" if lacking else ""


GROUP = Group("perfops.output_formats", "OUTPUT_FORMATS", _wrong)


def renderers() -> dict[str, Callable[[Report], str]]:
    """Return the formats by name: perfops' own, then those of other packages."""
    own: tuple[OutputFormat, ...] = (text, json_report, markdown, html, sarif)
    by_name: dict[str, Callable[[Report], str]] = {}
    for each in (*own, *usable(GROUP)):
        by_name.setdefault(each.NAME, each.render)
    return by_name
