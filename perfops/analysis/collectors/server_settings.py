"""pg_settings: those that advice is given about."""

from django.db.backends.utils import CursorWrapper

from perfops.analysis.collectors.records import fetch
from perfops.analysis.collectors.states import Setting
from perfops.database.connections import MARK

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


def read(cursor: CursorWrapper) -> tuple[Setting, ...]:
    """Return the settings; of ``value`` the server's, not what our own session has changed."""
    cursor.execute(
        f"""{MARK} SELECT name, CASE WHEN source = 'session' THEN reset_val ELSE setting END
                AS value,
            coalesce(unit, '') AS unit, source, pending_restart AS needs_restart
        FROM pg_settings WHERE name = ANY(%s) ORDER BY 1""",
        [list(NAMES)],
    )
    return fetch(cursor, Setting)
