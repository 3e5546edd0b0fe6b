"""Checkpoints, the background writer, and WAL: how the server gets its changes to disk."""

from django.db.backends.utils import CursorWrapper

from perfops.analysis.collectors.records import Checkpoints, Wal, fetch
from perfops.database.connections import MARK, columns


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
