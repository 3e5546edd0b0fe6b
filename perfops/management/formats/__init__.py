"""An analysis' report in every form it can take."""

from collections.abc import Callable

from perfops.analysis.services import Report
from perfops.management.formats import html, markdown, sarif, text
from perfops.management.formats import json_report as data

FORMATS: dict[str, Callable[[Report], str]] = {
    "text": text.render,
    "json": data.render,
    "markdown": markdown.render,
    "html": html.render,
    "sarif": sarif.render,
}
