"""Everything one look at a database's statistics tells, frozen."""

import logging
import time
from collections.abc import Callable

import msgspec
from django.db import DatabaseError, Error
from django.db.backends.utils import CursorWrapper

from perfops.analysis.collectors import (
    activity,
    bloat,
    constraints,
    database,
    indexes,
    statements,
    tables,
)
from perfops.analysis.collectors.records import (
    Checkpoints,
    Database,
    ForeignKey,
    Index,
    Server,
    SourceUnavailable,
    Statement,
    StatementsInfo,
    Table,
    UnavailableSource,
    Wal,
)
from perfops.analysis.collectors.states import (
    Age,
    Bloat,
    Connections,
    Numbering,
    Prepared,
    Replica,
    Session,
    Setting,
    Slot,
    Unvalidated,
)
from perfops.conf import conf
from perfops.database import connections as session
from perfops.formatting import first_line

log = logging.getLogger(__name__)


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
    missing: tuple[UnavailableSource, ...] = ()
    checkpoints: Checkpoints | None = None
    wal: Wal | None = None
    bloat: tuple[Bloat, ...] = ()
    numberings: tuple[Numbering, ...] = ()
    unvalidated: tuple[Unvalidated, ...] = ()
    ages: tuple[Age, ...] = ()
    sessions: tuple[Session, ...] = ()
    prepared: tuple[Prepared, ...] = ()
    connections: Connections | None = None
    replicas: tuple[Replica, ...] = ()
    slots: tuple[Slot, ...] = ()
    settings: tuple[Setting, ...] = ()

    def setting(self, name: str) -> Setting | None:
        return next((setting for setting in self.settings if setting.name == name), None)


def take(alias: str = "default", *, light: bool = False) -> Snapshot:
    """Look at the database behind the ``alias``: read-only, bounded, on a new connection.

    ``light``: counters alone, which a later difference needs. Raises ``django.db.Error`` only
    when there is no connection at all; a source that fails, or comes after ``SNAPSHOT_TIMEOUT_S``,
    is in ``missing``, and the others go on.
    """
    missing: list[UnavailableSource] = []
    deadline = time.monotonic() + conf().SNAPSHOT_TIMEOUT_S

    def collect[T](source: str, read: Callable[[CursorWrapper], T], *, otherwise: T) -> T:
        if time.monotonic() > deadline:
            missing.append(_failed(source, f"{conf().SNAPSHOT_TIMEOUT_S:g} s were over"))
            return otherwise
        try:
            return read(cursor)
        except SourceUnavailable as error:
            missing.append(error.missing)
        except Error as error:
            missing.append(_failed(source, _reason(error)))
        except Exception as error:
            # A fault of ours, or rows of a shape that we don't know: it costs this source alone.
            log.exception("the source %s can't be read", source)
            missing.append(_failed(source, f"{type(error).__name__}: {first_line(error)}"))
        return otherwise

    def state[T](source: str, read: Callable[[CursorWrapper], tuple[T, ...]]) -> tuple[T, ...]:
        return () if light else collect(source, read, otherwise=())

    with session.reading(alias) as cursor:
        server = database.server(cursor)
        # Who waits for whom comes first: it passes while we look at the rest.
        sessions = state("pg_stat_activity", activity.sessions)
        used = None if light else collect("connections", activity.connections, otherwise=None)
        snapshot = Snapshot(
            taken_at=server.now,
            server=server,
            # Their texts hold anyone's data: those with literals are on the live page alone.
            sessions=tuple(activity.without_literals(one) for one in sessions),
            connections=used,
            database=collect("pg_stat_database", database.read, otherwise=None),
            statements=collect("pg_stat_statements", statements.read, otherwise=None),
            statements_info=collect("pg_stat_statements_info", statements.info, otherwise=None),
            tables=collect("pg_stat_user_tables", tables.read, otherwise=()),
            indexes=collect("pg_stat_user_indexes", indexes.read, otherwise=()),
            checkpoints=collect("pg_stat_checkpointer", database.checkpoints, otherwise=None),
            wal=collect("pg_stat_wal", database.wal, otherwise=None),
            settings=collect("pg_settings", database.settings, otherwise=()),
            foreign_keys=state("foreign keys", indexes.foreign_keys),
            prepared=state("pg_prepared_xacts", activity.prepared),
            numberings=state("sequences", constraints.numberings),
            unvalidated=state("pg_constraint", constraints.unvalidated),
            ages=state("pg_database", database.ages),
            replicas=state("pg_stat_replication", database.replicas),
            slots=state("pg_replication_slots", database.slots),
            bloat=state("bloat", bloat.read),
        )
        nothing: tuple[UnavailableSource, ...] = ()
        hidden = collect("privileges", database.hidden, otherwise=nothing)
    return msgspec.structs.replace(snapshot, missing=(*missing, *hidden))


def _failed(source: str, reason: str) -> UnavailableSource:
    return UnavailableSource(source, reason, "Advisors that need it are left out.", remedy="")


def _reason(error: Error) -> str:
    reason = first_line(error)
    if isinstance(error, DatabaseError) and session.is_timeout(error):
        return f"{reason} (see STATEMENT_TIMEOUT_MS and LOCK_TIMEOUT_MS in settings.PERFOPS)"
    return reason
