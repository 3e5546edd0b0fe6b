"""The server's side of a run, from the difference of its own statistics."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from perfops.analysis.advisors import n_plus_one
from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.origins import Origin
from perfops.analysis.collectors.records import Statement
from perfops.conf import Conf
from perfops.models.origins import RunStatement
from perfops.origins.runs import RouteCalls

_TOP = 20
# What a run writes about itself, and the foreign keys that PostgreSQL checks for it.
_OUR_TABLES = re.compile(r"\bperfops_")
_BEAT_TABLES = '"django_celery_beat_'
_KEY_CHECK = "FOR KEY SHARE OF x"
# Transactions and sessions: no query of the application.
_CONTROL = {
    "begin", "start", "commit", "rollback", "savepoint", "release", "abort", "end",
    "set", "reset", "show", "discard", "deallocate", "close", "listen", "unlisten", "notify",
}  # fmt: skip
# What exporters of metrics and people's tools read.
_STATISTICS = re.compile(r"\bpg_(stat|statio|settings|locks|database_size|catalog)", re.IGNORECASE)


def truth(window: Window, *, requests: int) -> dict[str, Any]:
    """Return what ``LoadRun.server`` keeps; times in ms, sizes in bytes, None for unknown."""
    statements = sorted(filter(_is_theirs, window.statements), key=lambda s: -s.total_ms)
    queries = sum(s.calls for s in statements) if window.has_statements else None
    return {
        "window_s": window.seconds,
        "db_cache_hit_rate": window.database.cache_hit_rate if window.database else None,
        "queries": queries,
        "rows": sum(s.rows for s in statements) if window.has_statements else None,
        "wal_bytes": sum(s.wal_bytes for s in statements) if window.has_statements else None,
        "temp_bytes": window.database.temp_bytes if window.database else None,
        "queries_per_request": queries / requests if queries is not None and requests else None,
        "statements": [
            {
                "text": s.text,
                "calls": s.calls,
                "total_ms": s.total_ms,
                "mean_ms": s.mean_ms,
                "rows": s.rows,
            }
            for s in statements[:_TOP]
        ],
        "missing": [msgspec.to_builtins(each) for each in window.missing],
    }


def _is_theirs(statement: Statement) -> bool:
    """Say whether a request sent it: no transaction control, exporter, beat, or perfops itself."""
    text = statement.text.strip()
    verb = text.partition(" ")[0].rstrip(";").lower()
    return not (
        verb in _CONTROL
        or _OUR_TABLES.search(text)
        or _BEAT_TABLES in text
        or text.endswith(_KEY_CHECK)
        or _STATISTICS.search(text)
    )


def repeated(
    routes: Iterable[RouteCalls], limits: Conf
) -> list[tuple[RunStatement, DetectedIssue]]:
    """Return the statements of a run that a request sends again and again, with what to do.

    The costliest first; of those that differ in the length of a list only, one.
    """
    found: dict[str, tuple[RunStatement, DetectedIssue]] = {}
    statements = [statement for route in routes for statement in route.statements]
    for each in sorted(statements, key=lambda statement: -statement.total_ms):
        issue = n_plus_one.detect(_origin(each), limits)
        if issue is not None:
            found.setdefault(issue.subject, (each, issue))
    return list(found.values())


def _origin(each: RunStatement) -> Origin:
    return Origin(
        each.template.text, tuple(each.template.queryids), each.site, each.function, "request",
        each.name, each.calls, each.executions, each.max_calls_per_execution, each.rows,
        each.total_ms, each.repeated_executions, each.repeated_calls, each.relation,
    )  # fmt: skip
