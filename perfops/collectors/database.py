"""pg_stat_database, and who we talk to."""

from django.db.backends.utils import CursorWrapper

from perfops.collectors.records import Database, Server, fetch
from perfops.collectors.session import MARK


def server(cursor: CursorWrapper) -> Server:
    cursor.execute(
        f"""{MARK} SELECT current_setting('server_version_num')::int,
            current_setting('server_version'), current_database(), current_user,
            extract(epoch FROM pg_postmaster_start_time())::float,
            extract(epoch FROM clock_timestamp())::float"""
    )
    (row,) = fetch(cursor, Server)
    return row


def read(cursor: CursorWrapper) -> Database | None:
    cursor.execute(
        f"""{MARK} SELECT blks_hit, blks_read, xact_commit, xact_rollback, temp_bytes, deadlocks,
            extract(epoch FROM stats_reset)::float
        FROM pg_stat_database WHERE datname = current_database()"""
    )
    rows = fetch(cursor, Database)
    return rows[0] if rows else None
