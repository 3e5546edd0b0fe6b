"""Which blocks one statement touches, by table and index, as its own session counts them.

Blocks are of 8 kB (``block_size``), whether they were in memory or had to be read: a cold cache
makes no difference. They are those of this session's tables and indexes alone
(``pg_stat_get_xact_blocks_fetched``), so other sessions make none either; system catalogs are
left out, as planning reads them now and then. What is left to chance, and what is done about it:

- Parallel workers count for themselves: there are none, and scans begin at a table's first block.
- A new session looks at each index of a table once: requests are counted after one that was not.
- A page that was split or tidied up, an entry not yet seen as visible to all (PostgreSQL reads
  the table's block then): the tolerance of a tenth and five blocks is for these.
- Statistics of ``ANALYZE`` are a sample, and none at all lets plans differ: analyse after loading.

Rows that a server-side cursor fetches later are not counted. Needs ``track_counts`` (the default).
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from perfops.database.connections import MARK

# The first identifier of what is no system catalog (FirstNormalObjectId); of tables' outsourced
# values (TOAST) the same.
_FIRST_OID = 16384
# Both for this transaction alone.
_SETTINGS = f"""{MARK} SELECT set_config('max_parallel_workers_per_gather', '0', true),
    set_config('synchronize_seqscans', 'off', true)"""
_TOUCHED = f"""{MARK} SELECT relname, relkind IN ('i', 'I'), pg_stat_get_xact_blocks_fetched(oid)
    FROM pg_class WHERE oid >= {_FIRST_OID} AND pg_stat_get_xact_blocks_fetched(oid) > 0"""  # noqa: S608
_TOAST = "pg_toast"
# Some statements can't be within a transaction; none of these begin so.
_VERBS = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "VALUES", "(")

_Seen = Counter[tuple[str, bool]]


@dataclass(slots=True)
class Touched:
    """``blocks``: None where they can't be counted; ``indexes``: of which some were touched."""

    blocks: int | None = None
    indexes: frozenset[str] = field(default_factory=frozenset)


@contextmanager
def touched(connection: BaseDatabaseWrapper, cursor: Any, text: str) -> Iterator[Touched]:
    """Yield what will say what the statement ``text`` touches, which the block sends.

    Where each statement is a transaction, this one is one with our questions around it.
    """
    found = Touched()
    session: Any = connection.connection
    with ExitStack() as stack:
        if not _is_countable(session, cursor, text):
            yield found
            return
        if session.autocommit and session.info.transaction_status == TransactionStatus.IDLE:
            stack.enter_context(session.transaction())
        with session.cursor(row_factory=tuple_row) as own:
            own.execute(_SETTINGS)
            before = _seen(own)
            yield found
            after = _seen(own)
    grown = after - before
    found.blocks = grown.total()
    found.indexes = frozenset(
        name for name, is_index in grown if is_index and not name.startswith(_TOAST)
    )


def _is_countable(session: Any, cursor: Any, text: str) -> bool:
    is_plain = isinstance(session, psycopg.Connection) and not hasattr(cursor, "itersize")
    usable = (TransactionStatus.IDLE, TransactionStatus.INTRANS)
    return (
        is_plain
        and session.info.transaction_status in usable
        and text.lstrip().upper().startswith(_VERBS)
    )


def _seen(cursor: psycopg.Cursor[Any]) -> _Seen:
    found: _Seen = Counter()
    for name, is_index, blocks in cursor.execute(_TOUCHED).fetchall():
        found[name, is_index] += blocks
    return found
