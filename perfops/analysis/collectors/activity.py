"""Who is connected, what they do, and who waits for whom."""

import re

import msgspec
from django.db import connections as django_connections
from django.db.backends.utils import CursorWrapper

from perfops.analysis.collectors.records import fetch
from perfops.analysis.collectors.states import Connections, Prepared, Session
from perfops.database.connections import MARK

_TEXT_CHARACTERS = 1000
# As log_line_prefix has it with %c; of a row of pg_stat_activity.
SESSION_ID = "to_hex(trunc(extract(epoch FROM backend_start))::bigint) || '.' || to_hex(pid)"
# Comments, texts (also cut off before their end) and numbers, but not those within a name.
_LITERAL = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|(?P<tag>\$(?:[A-Za-z_]\w*)?\$).*?(?:(?P=tag)|\Z)
    |\b(?:E|e)'(?:[^'\\]|\\.|'')*(?:'|\Z)|(?:\b[BbXxNn]|\b[Uu]&)?'(?:[^']|'')*(?:'|\Z)
    |(?<![\w$"])\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?(?!\w)|(?P<name>"(?:[^"]|"")*(?:"|\Z))""",
    re.DOTALL | re.VERBOSE,
)


def sessions(cursor: CursorWrapper) -> tuple[Session, ...]:
    """Return all clients but ourselves, the oldest transaction first."""
    # pg_blocking_pids takes all of the lock table's locks for a moment: for waiters only.
    cursor.execute(
        f"""{MARK} SELECT a.pid, coalesce(a.datname, '') AS database,
            coalesce(a.usename, '') AS user, coalesce(a.application_name, '') AS application,
            coalesce(host(a.client_addr), '') AS client, coalesce(a.state, '') AS state,
            extract(epoch FROM clock_timestamp() - a.xact_start)::float AS transaction_s,
            CASE WHEN a.state = 'active'
                THEN extract(epoch FROM clock_timestamp() - a.query_start)::float END AS query_s,
            extract(epoch FROM clock_timestamp() - a.state_change)::float AS state_s,
            coalesce(a.wait_event_type || ': ' || a.wait_event, '') AS waits_for,
            left(coalesce(a.query, ''), %s) AS text,
            CASE WHEN a.wait_event_type = 'Lock' THEN pg_blocking_pids(a.pid) ELSE '{{}}' END
                AS blocked_by,
            coalesce((SELECT concat_ws(' on ', l.mode,
                    (SELECT relname FROM pg_class WHERE oid = l.relation))
                FROM pg_locks l WHERE a.wait_event_type = 'Lock' AND l.pid = a.pid
                    AND NOT l.granted LIMIT 1), '') AS wanted,
            {SESSION_ID} AS session_id
        FROM pg_stat_activity a
        WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
        ORDER BY a.xact_start NULLS LAST, a.pid""",
        [_TEXT_CHARACTERS],
    )
    return fetch(cursor, Session)


def without_literals(session: Session) -> Session:
    """Return ``session`` with ``$1``, ``$2`` for the values in its text, and without comments.

    As pg_stat_statements writes it, which does not know a statement before its first end.
    """
    return msgspec.structs.replace(session, text=normalised(session.text))


def normalised(text: str) -> str:
    """Return the statement ``text`` without any value that its author wrote into it."""
    number = 0

    def replaced(match: re.Match[str]) -> str:
        nonlocal number
        if match["name"] is not None:
            return match[0]
        if match[0].startswith(("--", "/*")):
            return " "
        number += 1
        return f"${number}"

    return _LITERAL.sub(replaced, text)


def prepared(cursor: CursorWrapper) -> tuple[Prepared, ...]:
    cursor.execute(
        f"""{MARK} SELECT gid AS name, owner,
            extract(epoch FROM clock_timestamp() - prepared)::float AS age_s
        FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared"""
    )
    return fetch(cursor, Prepared)


def connections(cursor: CursorWrapper) -> Connections:
    """Return how many of the server's connections are taken, by whomever, without our own."""
    # 16 can reserve some for a role as well.
    cursor.execute(
        f"""{MARK} SELECT current_setting('max_connections')::int AS maximum,
            current_setting('superuser_reserved_connections')::int
                + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved,
            count(*) AS used,
            count(*) FILTER (WHERE state = 'idle') AS idle,
            %s::int AS aliases
        FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()""",
        [_aliases(cursor)],
    )
    return fetch(cursor, Connections)[0]


def _aliases(cursor: CursorWrapper) -> int:
    """Each alias in DATABASES opens connections of its own, also to the same server."""
    ours = _place(cursor.db.settings_dict)
    return sum(_place(one.settings_dict) == ours for one in django_connections.all())


def _place(settings: dict[str, object]) -> tuple[object, object]:
    return settings.get("HOST") or "", str(settings.get("PORT") or "")
