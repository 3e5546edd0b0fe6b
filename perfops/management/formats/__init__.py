"""An analysis' report in every form it can take."""

from collections.abc import Callable

from perfops.management.formats import data, html, markdown, sarif, text
from perfops.services.analyses import Report

FORMATS: dict[str, Callable[[Report], str]] = {
    "text": text.render,
    "json": data.render,
    "markdown": markdown.render,
    "html": html.render,
    "sarif": sarif.render,
}
