"""Which rows of pg_stat_statements a statement is: PostgreSQL says so itself, in EXPLAIN."""

import logging
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

from django.db import DatabaseError, DataError, Error, OperationalError
from django.db.backends.utils import CursorWrapper
from psycopg import ClientCursor, Cursor

from perfops.database import connections as session
from perfops.database.connections import MARK
from perfops.models.origins import QueryTemplate
from perfops.origins import ledger, store
from perfops.origins import parameters as samples
from perfops.origins.counts import CURSOR, OTHER

log = logging.getLogger(__name__)

# How long one flush may take for it, and one at exit (s).
_PATIENCE_S, _HURRIED_S = 20.0, 1.0
_TABLE = QueryTemplate._meta.db_table
# A restored database or a new version gives new ids: ask again some day.
_LOOK = f"""{MARK} SELECT id, queryids, signatures FROM {_TABLE}
    WHERE id = ANY(%s) AND identified_at > now() - interval '1 day'"""
_STORE = f"""{MARK} UPDATE {_TABLE} SET identified_at = now(),
    queryids = ARRAY(SELECT DISTINCT unnest(queryids || %s::varchar[])),
    signatures = ARRAY(SELECT DISTINCT unnest(signatures || %s::varchar[]))
    WHERE id = %s"""
_SAMPLE = f"""{MARK} UPDATE {_TABLE} SET sample = %s::jsonb, sampled_at = now()
    WHERE id = %s"""


@dataclass(frozen=True, slots=True)
class _Found:
    """What is to be stored of a statement: ids, and the parameters that told them by signature."""

    key: int
    queryids: list[str]
    looked_at: dict[str, object]


# What has a plan, and so an id that EXPLAIN tells.
_PLANNED = ("select", "insert", "update", "delete", "with", "merge", "values", "table", "(")


def identify_new(cursor: CursorWrapper, *, hurried: bool) -> None:
    """Find the ids of statements that are new to this process, and store them by ``cursor``."""
    until = monotonic() + (_HURRIED_S if hurried else _PATIENCE_S)
    waiting = ledger.waiting()
    _know(cursor, waiting)
    found: list[_Found] = []
    for database in {database for database, _ in waiting}:
        with suppress(Error), session.reading(database) as looking:
            for (alias, text), known in waiting.items():
                if alias == database and known.pending and monotonic() < until:
                    _identify(looking, text, known, store.key(alias, text), found)
    # Only now: through a pooler ``looking`` holds a connection, which may be the only one.
    pending = {each.key: each.looked_at for each in found}
    for each in found:
        cursor.execute(_STORE, [each.queryids, list(each.looked_at), each.key])
        if cursor.rowcount:
            del pending[each.key]
    for (database, text), known in waiting.items():
        key, sample, known.sample = store.key(database, text), known.sample, None
        encoded, is_stored = samples.encode(sample), True
        if encoded is not None:
            cursor.execute(_SAMPLE, [encoded, key])
            is_stored = bool(cursor.rowcount)
        if (key in pending or not is_stored) and not known.is_early:
            # Sent after the counts were taken: its row comes with the next flush.
            known.is_early = True
            known.pending |= pending.get(key, {})
            known.sample = known.sample or sample


def _know(cursor: CursorWrapper, waiting: dict[tuple[str, str], ledger.Known]) -> None:
    """Take over what another process found out already."""
    by_key = {store.key(*each): known for each, known in waiting.items() if known.pending}
    cursor.execute(_LOOK, [list(by_key)])
    for key, queryids, signatures in cursor.fetchall():
        known = by_key[key]
        known.queryid = queryids[-1] if queryids else None
        for signature in signatures:
            known.pending.pop(signature, None)


def _identify(
    looking: CursorWrapper, text: str, known: ledger.Known, key: int, stored: list[_Found]
) -> None:
    """Add to ``stored`` what is to be stored of the statement with the ``key``."""
    found: list[str] = []
    looked_at: dict[str, object] = {}
    for signature, params in list(known.pending.items()):
        try:
            queryid = ask(looking, text, params)
        except OperationalError as error:
            if not session.is_timeout(error):
                raise
            # Someone has locked its table: it stays pending, and the next flush asks again.
            log.debug("a statement's id has to wait: %s", error)
            continue
        except DatabaseError:
            raise
        except Exception:
            # Parameters that can't be sent again, for one: this statement stays without an id.
            log.debug("a statement has no id", exc_info=True)
            queryid = None
        known.pending.pop(signature, None)
        looked_at[signature] = params
        if queryid is not None:
            found.append(queryid)
            known.queryid = queryid
    if looked_at:
        stored.append(_Found(key, found, looked_at))


def ask(cursor: CursorWrapper, text: str, params: Any) -> str | None:
    """Return the id of ``text`` with parameters like ``params``; None where there is none.

    ``cursor`` is one of ``session.reading``: nothing is run, nothing counted.
    """
    if text == OTHER or text.startswith(CURSOR):
        return None
    if not text.lstrip().lower().startswith(_PLANNED) and "/*" not in text:
        return None
    for values in (params, _without_text(params)):
        try:
            plan = _explained(cursor, text, values)
        except DataError:
            # An empty text is no value of the column's type; NULL is one of every type.
            continue
        except OperationalError:
            # The server is away, or a lock or the time ran out: nothing is known yet.
            raise
        except DatabaseError as error:
            log.debug("a statement has no id: %s", error)
            return None
        queryid = plan.get("Query Identifier")
        return None if queryid is None else str(queryid)
    return None


def _explained(cursor: CursorWrapper, text: str, values: Any) -> dict[str, Any]:
    """Ask for the plan as the application would send the statement: values in it, or beside it.

    Always by the extended protocol, which takes one statement only: of several, EXPLAIN would
    be said of the first, and the others would be run.
    """
    statement: Any = f"{MARK} EXPLAIN (VERBOSE, FORMAT JSON) {text}"
    connection = cursor.db.connection
    if values is not None and not cursor.db.settings_dict["OPTIONS"].get("server_side_binding"):
        statement, values = ClientCursor(connection).mogrify(statement, values), None
    with session.undone(cursor), cursor.db.wrap_database_errors, Cursor(connection) as one:
        ((plan,),) = one.execute(statement, values, binary=True).fetchall()
    return plan[0] if isinstance(plan[0], dict) else {}


def _without_text(params: Any) -> Any:
    if isinstance(params, dict):
        return {name: None if value == "" else value for name, value in params.items()}
    return params and [None if value == "" else value for value in params]
