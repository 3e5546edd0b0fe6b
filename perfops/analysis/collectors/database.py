"""The database and its server: counters, age, settings, standbys, checkpoints, WAL."""

from collections.abc import Sequence

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from perfops.analysis.collectors.records import (
    Checkpoints,
    Database,
    Server,
    UnavailableSource,
    Wal,
    fetch,
)
from perfops.analysis.collectors.states import CUT_OFF, Age, Replica, Setting, Slot
from perfops.database.connections import MARK, columns

# Each managed service has a role that stands in for the superuser.
_ROLE_OF = {
    "rds_superuser": "rds",
    "cloudsqlsuperuser": "cloudsql",
    "azure_pg_admin": "azure",
    "supabase_admin": "supabase",
    "neon_superuser": "neon",
}
_ROLES = ", ".join(f"'{role}'" for role in _ROLE_OF)
_SERVICES = " ".join(f"WHEN '{role}' THEN '{name}'" for role, name in _ROLE_OF.items())


def server(cursor: CursorWrapper) -> Server:
    cursor.execute(
        f"""{MARK} SELECT current_setting('server_version_num')::int AS version,
            current_setting('server_version') AS name, current_database() AS database,
            current_user AS role, {_identity(cursor)} AS identity,
            pg_is_in_recovery() AS in_recovery,
            current_setting('block_size')::int AS block_bytes,
            coalesce((SELECT CASE rolname {_SERVICES} END
                FROM pg_roles WHERE rolname IN ({_ROLES}) LIMIT 1), '') AS service,
            extract(epoch FROM pg_postmaster_start_time())::float AS started_at,
            extract(epoch FROM clock_timestamp())::float AS now"""
    )
    (row,) = fetch(cursor, Server)
    return row


def _identity(cursor: CursorWrapper) -> str:
    """The cluster's number; a replica counts for itself, and a promoted one as another server."""
    found = "(SELECT system_identifier FROM pg_control_system()) || '/'"
    found += " || (SELECT timeline_id FROM pg_control_checkpoint())"
    found += " || CASE WHEN pg_is_in_recovery() THEN '/replica' ELSE '' END"
    try:
        cursor.execute(f"{MARK} SELECT {found}")
    except DatabaseError:
        if cursor.db.connection.closed:
            raise
        # Managed services refuse it: then a change is told by the counters alone.
        return "''"
    return found


def read(cursor: CursorWrapper) -> Database | None:
    cursor.execute(
        f"""{MARK} SELECT blks_hit AS blocks_hit, blks_read AS blocks_read,
            xact_commit AS commits, xact_rollback AS rollbacks, temp_bytes, temp_files,
            deadlocks, extract(epoch FROM stats_reset)::float AS reset_at,
            datid::bigint AS oid, pg_database_size(datid) AS bytes
        FROM pg_stat_database WHERE datname = current_database()"""
    )
    rows = fetch(cursor, Database)
    return rows[0] if rows else None


def ages(cursor: CursorWrapper) -> tuple[Age, ...]:
    """Return the age of every database of the server: the oldest stops all of them."""
    cursor.execute(
        f"""{MARK} SELECT datname AS database, age(datfrozenxid) AS xids,
            mxid_age(datminmxid) AS mxids
        FROM pg_database WHERE NOT pg_is_in_recovery() ORDER BY 2 DESC, 1"""
    )
    return fetch(cursor, Age)


NAMES = (
    "autovacuum", "autovacuum_freeze_max_age", "autovacuum_max_workers",
    "autovacuum_multixact_freeze_max_age", "autovacuum_vacuum_cost_delay",
    "checkpoint_completion_target", "checkpoint_timeout", "default_statistics_target",
    "effective_cache_size", "enable_hashjoin", "enable_indexscan", "enable_mergejoin",
    "enable_nestloop", "enable_seqscan", "fsync", "full_page_writes",
    "idle_in_transaction_session_timeout", "jit", "maintenance_work_mem", "max_connections",
    "max_wal_size", "pg_stat_statements.max", "random_page_cost", "seq_page_cost",
    "shared_buffers", "statement_timeout", "synchronous_commit", "track_activities",
    "track_counts", "track_io_timing", "wal_buffers", "work_mem",
)  # fmt: skip


def settings(cursor: CursorWrapper) -> tuple[Setting, ...]:
    """Return the settings; of ``value`` the server's, not what our own session has changed."""
    cursor.execute(
        f"""{MARK} SELECT name, CASE WHEN source = 'session' THEN reset_val ELSE setting END
                AS value,
            coalesce(unit, '') AS unit, source, pending_restart AS needs_restart
        FROM pg_settings WHERE name = ANY(%s) ORDER BY 1""",
        [list(NAMES)],
    )
    return fetch(cursor, Setting)


_NOW = (
    "CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_receive_lsn(),"
    " pg_last_wal_replay_lsn()) ELSE pg_current_wal_lsn() END"
)


def replicas(cursor: CursorWrapper) -> tuple[Replica, ...]:
    """Return the standbys of this server; on a standby also itself, without a name.

    A standby that receives, and has replayed all of it, is not behind, however old its last commit
    is. One that receives nothing is as old as its last commit.
    """
    cursor.execute(
        f"""{MARK} SELECT coalesce(nullif(application_name, ''), pid::text) AS name,
            coalesce(state, '') AS state,
            greatest(0, coalesce(pg_wal_lsn_diff({_NOW}, replay_lsn), 0))::bigint AS lag_bytes,
            extract(epoch FROM replay_lag)::float AS lag_s, NULL::float AS silent_s
        FROM pg_stat_replication
        UNION ALL
        SELECT '', CASE WHEN r.pid IS NOT NULL THEN coalesce(r.status, 'streaming')
                WHEN c.setting = '' THEN 'archive' ELSE '{CUT_OFF}' END,
            greatest(0, coalesce(pg_wal_lsn_diff(pg_last_wal_receive_lsn(),
                pg_last_wal_replay_lsn()), 0))::bigint,
            CASE WHEN r.pid IS NOT NULL AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
                THEN 0 ELSE extract(epoch FROM clock_timestamp()
                    - pg_last_xact_replay_timestamp())::float END,
            extract(epoch FROM clock_timestamp() - r.last_msg_receipt_time)::float
        FROM (VALUES (1)) one
        LEFT JOIN pg_stat_wal_receiver r ON true
        -- A role without the right to see it gets no row: then a primary is taken to be named.
        LEFT JOIN pg_settings c ON c.name = 'primary_conninfo'
        WHERE pg_is_in_recovery()
        ORDER BY 1"""
    )
    return fetch(cursor, Replica)


def slots(cursor: CursorWrapper) -> tuple[Slot, ...]:
    cursor.execute(
        f"""{MARK} SELECT slot_name AS name, slot_type AS kind, active,
            greatest(0, coalesce(pg_wal_lsn_diff({_NOW}, restart_lsn), 0))::bigint AS kept_bytes,
            coalesce(wal_status, '') AS wal_status,
            greatest(coalesce(age(xmin), 0), coalesce(age(catalog_xmin), 0)) AS xmin_age
        FROM pg_replication_slots ORDER BY 1"""
    )
    return fetch(cursor, Slot)


def checkpoints(cursor: CursorWrapper) -> Checkpoints:
    """Return the counters from wherever this version keeps them: 17 moved most of them."""
    cursor.execute(_MOVED if columns(cursor, "pg_catalog.pg_stat_checkpointer") else _ONE_VIEW)
    return fetch(cursor, Checkpoints)[0]


_ONE_VIEW = f"""{MARK} SELECT checkpoints_timed AS timed, checkpoints_req AS requested,
    checkpoint_write_time AS write_ms, checkpoint_sync_time AS sync_ms,
    buffers_checkpoint AS buffers, buffers_backend AS by_sessions,
    maxwritten_clean AS cleaner_stops, extract(epoch FROM stats_reset)::float AS reset_at
FROM pg_stat_bgwriter"""

# Bulk writes (COPY, CREATE INDEX, VACUUM) go through rings of their own: sessions are meant to
# write those themselves.
_MOVED = f"""{MARK} SELECT num_timed AS timed, num_requested AS requested,
    write_time AS write_ms, sync_time AS sync_ms, buffers_written AS buffers,
    (SELECT coalesce(sum(writes), 0)::bigint FROM pg_stat_io
        WHERE backend_type = 'client backend' AND object = 'relation' AND context = 'normal')
        AS by_sessions,
    (SELECT extract(epoch FROM max(stats_reset))::float FROM pg_stat_io) AS io_reset_at,
    (SELECT maxwritten_clean FROM pg_stat_bgwriter) AS cleaner_stops,
    extract(epoch FROM stats_reset)::float AS reset_at
FROM pg_stat_checkpointer"""


def wal(cursor: CursorWrapper) -> Wal | None:
    """Return pg_stat_wal, which is there since 14."""
    if not columns(cursor, "pg_catalog.pg_stat_wal"):
        return None
    cursor.execute(
        f"""{MARK} SELECT wal_records AS records, wal_fpi AS full_pages,
            wal_bytes::bigint AS bytes, wal_buffers_full AS buffers_full,
            extract(epoch FROM stats_reset)::float AS reset_at
        FROM pg_stat_wal"""
    )
    return fetch(cursor, Wal)[0]


# So many objects are told one by one; of more, the whole source is incomplete.
_MOST_NAMED = 200
_FEW = 3
# pg_stats hides the rows of tables that the role may not read, also by row security; the numbers
# of a sequence need a right as well. A sequence counts for the table whose column it fills.
_HIDDEN = f"""{MARK} WITH tables AS (
        SELECT c.oid, n.nspname || '.' || c.relname AS name
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't'
            AND n.nspname NOT IN ('pg_catalog', 'information_schema')
            AND (NOT has_table_privilege(c.oid, 'SELECT')
                AND NOT has_any_column_privilege(c.oid, 'SELECT')
                OR row_security_active(c.oid))
    ), numbered AS (
        SELECT DISTINCT n.nspname || '.' || c.relname AS name
        FROM pg_class s
        JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid
            AND d.deptype IN ('a', 'i')
        JOIN pg_class c ON c.oid = d.refobjid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE s.relpersistence <> 't' AND CASE WHEN s.relkind = 'S'
            THEN NOT has_sequence_privilege(s.oid, 'SELECT, USAGE') ELSE false END
    )
    SELECT current_user, pg_has_role('pg_read_all_stats', 'USAGE'),
        array(SELECT name FROM tables ORDER BY 1),
        array(SELECT n.nspname || '.' || x.relname FROM tables JOIN pg_index i ON i.indrelid = oid
            JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_namespace n ON n.oid = x.relnamespace
            ORDER BY 1),
        array(SELECT name FROM numbered ORDER BY 1)"""


def hidden(cursor: CursorWrapper) -> tuple[UnavailableSource, ...]:
    """Return the sources of which rights or row security hide a part."""
    cursor.execute(_HIDDEN)
    role, reads_statistics, tables, indexes, numbered = cursor.fetchone()
    name = sql.Identifier(role).as_string(None)
    found = []
    if not reads_statistics:
        fix = f"GRANT pg_read_all_stats TO {name};"
        found += [
            UnavailableSource(
                "pg_stat_statements",
                f"the role {role} sees its own statements only",
                "What other users ask of this database is not in the analysis.",
                fix,
            ),
            UnavailableSource(
                "pg_stat_activity",
                f"the role {role} sees what its own sessions do only",
                "Long queries and open transactions of other users are not in the analysis.",
                fix,
            ),
        ]
    fix = f"GRANT pg_read_all_data TO {name};"
    if tables:
        reason = f"the role {role} may not read {_some(tables)} of the tables"
        found += [
            UnavailableSource(
                "bloat", reason, "How much of these tables is empty space is not known.", fix,
                _named(tables, indexes),
            ),
            UnavailableSource(
                "pg_stats", reason, "Whether these tables have statistics is not known.", fix,
                _named(tables),
            ),
        ]  # fmt: skip
    if numbered or tables:
        reason = (
            f"the role {role} may not read the sequences of {len(numbered)} tables, nor "
            f"{len(tables)} of the tables"
        )
        cost = "Whether their numbers run out is not known."
        objects = _named(tables, numbered)
        found.append(UnavailableSource("sequences", reason, cost, fix, objects))
    return tuple(found)


def _some(names: Sequence[str]) -> str:
    """Return how many they are, and which where they are few."""
    few = f" ({', '.join(names)})" if len(names) <= _FEW else ""
    return f"{len(names)}{few}"


def _named(*names: Sequence[str]) -> tuple[str, ...]:
    every = tuple(dict.fromkeys(name for some in names for name in some))
    return every if len(every) <= _MOST_NAMED else ()
