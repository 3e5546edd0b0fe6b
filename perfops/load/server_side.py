"""The server's side of a run, from the difference of its own statistics."""

from typing import Any

import msgspec

from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Statement

_TOP = 20
# What a run writes about itself, and the foreign keys that PostgreSQL checks for it.
_OUR_TABLES = '"perfops_'
_KEY_CHECK = "FOR KEY SHARE OF x"


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
    """Say whether the application sent it, and not the run that watches it."""
    return _OUR_TABLES not in statement.text and not statement.text.endswith(_KEY_CHECK)
