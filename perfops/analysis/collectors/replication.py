"""Standbys that follow this server, slots that keep WAL for them, and how far behind we are."""

from django.db.backends.utils import CursorWrapper

from perfops.analysis.collectors.records import fetch
from perfops.analysis.collectors.states import CUT_OFF, Replica, Slot
from perfops.database.connections import MARK

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
