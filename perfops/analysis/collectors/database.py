"""pg_stat_database, who we talk to, and how old the server's databases are."""

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper

from perfops.analysis.collectors.records import Database, Server, fetch
from perfops.analysis.collectors.states import Age
from perfops.database.connections import MARK

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
