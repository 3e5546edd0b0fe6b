"""Everything one look at a database's statistics tells, frozen."""

from collections.abc import Callable

import msgspec
from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper

from perfops.collectors import database as databases
from perfops.collectors import indexes, session, statements, tables
from perfops.collectors.missing import Missing, SourceMissing
from perfops.collectors.records import (
    Database,
    ForeignKey,
    Index,
    Server,
    Statement,
    StatementsInfo,
    Table,
)


class Snapshot(msgspec.Struct, frozen=True):
    """Counters as they stood at ``taken_at`` (Unix time, by the database's clock).

    What could not be read is empty, and ``missing`` says why.
    """

    taken_at: float
    server: Server
    database: Database | None = None
    statements: tuple[Statement, ...] | None = None
    statements_info: StatementsInfo | None = None
    tables: tuple[Table, ...] = ()
    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    missing: tuple[Missing, ...] = ()

    def to_row(self, *, texts: int) -> dict[str, object]:
        """Return the snapshot as JSON data, with the texts of the ``texts`` costliest statements.

        All numbers stay: a later difference needs them.
        """
        kept = self
        if self.statements is not None:
            by_cost = sorted(self.statements, key=lambda s: -s.total_ms)
            kept = msgspec.structs.replace(
                self,
                statements=tuple(
                    s if place < texts else msgspec.structs.replace(s, text="")
                    for place, s in enumerate(by_cost)
                ),
            )
        row: dict[str, object] = msgspec.to_builtins(kept)
        return row


def from_row(row: object) -> Snapshot:
    """Return the snapshot that ``to_row`` wrote. Raises ``msgspec.ValidationError``."""
    return msgspec.convert(row, Snapshot)


def take(database: str = "default") -> Snapshot:
    """Look at the database behind the alias ``database``: read-only, bounded, on a new connection.

    Raises ``django.db.DatabaseError`` only when there is no connection at all; a source that
    fails is in ``missing``, and the others go on.
    """
    missing: list[Missing] = []

    def collect[T](source: str, read: Callable[[CursorWrapper], T], *, otherwise: T) -> T:
        try:
            return read(cursor)
        except SourceMissing as error:
            missing.append(error.missing)
        except DatabaseError as error:
            reason = str(error).partition("\n")[0]
            cost = "Advice that needs it is left out."
            missing.append(Missing(source, reason, cost, mend=""))
        return otherwise

    with session.reading(database) as cursor:
        server = databases.server(cursor)
        nothing: tuple[Missing, ...] = ()
        hidden = collect("privileges", statements.hidden, otherwise=nothing)
        return Snapshot(
            taken_at=server.now,
            server=server,
            database=collect("pg_stat_database", databases.read, otherwise=None),
            statements=collect("pg_stat_statements", statements.read, otherwise=None),
            statements_info=collect("pg_stat_statements_info", statements.info, otherwise=None),
            tables=collect("pg_stat_user_tables", tables.read, otherwise=()),
            indexes=collect("pg_stat_user_indexes", indexes.read, otherwise=()),
            foreign_keys=collect("pg_constraint", indexes.foreign_keys, otherwise=()),
            missing=(*missing, *hidden),
        )
