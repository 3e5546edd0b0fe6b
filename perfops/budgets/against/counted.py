"""What each build sent while it was measured: its query origins, in its own database."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg
from django.db import Error, connections

from perfops.analysis.plans import explain, tree
from perfops.budgets.against.checkouts import Side
from perfops.budgets.against.databases import connected
from perfops.database import connections as session

_COUNTS = """
    SELECT o.name, t.text, o.site, max(o.function), max(t.stack),
           sum(o.calls)::float, sum(o.total_ms)::float
    FROM perfops_queryorigin o JOIN perfops_querytemplate t ON t.id = o.template_id
    WHERE o.kind = 'request' GROUP BY o.name, t.text, o.site"""


class Counted(NamedTuple):
    """A statement of a route as one build sent it: calls for each request, and ms a call."""

    site: str
    stack: str
    per_request: float
    ms: float
    calls: float


def counts(side: Side) -> dict[str, list[tuple[Any, ...]]] | None:
    """Return the rows of ``_COUNTS`` by route; None where the build counts none."""
    try:
        with connected(side.database) as connection:
            rows = connection.execute(_COUNTS).fetchall()
    except psycopg.Error:
        return None
    found: dict[str, list[tuple[Any, ...]]] = {}
    for name, *rest in rows:
        found.setdefault(str(name).removeprefix("GET "), []).append(tuple(rest))
    return found


def of_route(
    counts: dict[str, list[tuple[Any, ...]]], route: str, requests: int
) -> dict[str, Counted]:
    """Return the route's statements by text; where several lines send one, the busiest is named."""
    found: dict[str, Counted] = {}
    for text, site, function, stack, calls, ms in sorted(
        counts.get(route, []), key=lambda row: -row[4]
    ):
        before = found.get(text)
        whole = calls + (before.calls if before else 0)
        spent = ms + (before.ms * before.calls if before else 0)
        place = before.site if before else f"{site} {function}".strip()
        frames = before.stack if before else stack or ""
        found[text] = Counted(place, frames, whole / max(1, requests), spent / max(1, whole), whole)
    return found


def has_other_plan(text: str, pair: Sequence[Side]) -> bool:
    """Say whether the statement's plan is another one in each build's database."""
    plans = set()
    for side in pair:
        wrapper = connections["default"].copy()
        wrapper.settings_dict["NAME"] = side.database
        wrapper.settings_dict["OPTIONS"].pop("pool", None)
        try:
            with wrapper.cursor() as cursor, session.undone(cursor):
                plans.add(tree.fingerprint(explain.generic(cursor, text)))
        except (Error, explain.NoPlan):
            return False
        finally:
            wrapper.close()
    return len(plans) > 1
