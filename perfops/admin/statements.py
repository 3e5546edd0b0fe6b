"""Statements in a line, and links to their pages."""

import re
from collections.abc import Iterable

from django.urls import reverse

from perfops.analysis import queries
from perfops.models.origins import QueryTemplate

_MOST = 20
_CHARACTERS = 120
_COLUMNS = re.compile(r"^(SELECT) .{40,}? (FROM)\b", re.I)


def links(database: str, queryids: Iterable[str]) -> list[tuple[str, str]]:
    """Return text and URL of the statements behind rows of pg_stat_statements, those known."""
    return [
        (shortened(each.text), url(each)) for each in queries.known_as(database, queryids)[:_MOST]
    ]


def urls(database: str, queryids: Iterable[str]) -> dict[str, str]:
    """Return by the row of pg_stat_statements where its statement's page is; the oldest's, where
    several statements share the row.
    """
    known = queries.known_as(database, queryids)
    return {queryid: url(each) for each in reversed(known) for queryid in each.queryids}


def url(template: QueryTemplate) -> str:
    """Return where the statement's page is."""
    return reverse("admin:perfops_querytemplate_change", args=[template.pk])


def shortened(text: str) -> str:
    """Return a statement as one short line: what Django selects seldom tells them apart."""
    return _COLUMNS.sub(r"\1 ... \2", " ".join(text.split()))[:_CHARACTERS]
