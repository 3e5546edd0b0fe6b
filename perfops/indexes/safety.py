"""What may really be run in a rehearsal: reading statements without side effects."""

from collections.abc import Sequence

from django.db.backends.utils import CursorWrapper
from sqlglot import exp

from perfops.database.connections import MARK
from perfops.indexes.records import Query
from perfops.indexes.workload import parse


def harmless(cursor: CursorWrapper, queries: Sequence[Query]) -> list[Query]:
    """Return those that call no volatile function: a read-only transaction doesn't stop all."""
    called = {query.queryid: _functions(query.text) for query in queries}
    names = sorted({name for each in called.values() for name in each})
    cursor.execute(
        f"{MARK} SELECT DISTINCT proname FROM pg_proc"
        " WHERE proname = ANY(%s::text[]) AND provolatile = 'v'",
        [names],
    )
    volatile = {name for (name,) in cursor.fetchall()}
    return [query for query in queries if not called[query.queryid] & volatile]


def _functions(text: str) -> set[str]:
    tree = parse(text)
    found = tree.find_all(exp.Func) if tree is not None else ()
    return {
        (each.name if isinstance(each, exp.Anonymous) else each.sql_name()).lower()
        for each in found
    }
