"""Links to the pages of statements."""

from collections.abc import Iterable

from django.urls import reverse

from perfops.models.origins import QueryTemplate
from perfops.selectors import queries

_MOST = 20
_CHARACTERS = 200


def links(database: str, queryids: Iterable[str]) -> list[tuple[str, str]]:
    """Return text and URL of the statements behind rows of pg_stat_statements, those known."""
    return [(_text(each), _url(each)) for each in queries.known_as(database, queryids)[:_MOST]]


def urls(database: str, queryids: Iterable[str]) -> dict[str, str]:
    """Return by the row of pg_stat_statements where its statement's page is; the oldest's, where
    several statements share the row.
    """
    known = queries.known_as(database, queryids)
    return {queryid: _url(each) for each in reversed(known) for queryid in each.queryids}


def _url(template: QueryTemplate) -> str:
    return reverse("admin:perfops_querytemplate_change", args=[template.pk])


def _text(template: QueryTemplate) -> str:
    return " ".join(template.text.split())[:_CHARACTERS]
