"""PostgreSQL and Redis, as their exporters and our own pool tell."""

from grafana_foundation_sdk.models import units

from infra.grafana.panels import Kind, Limit, Query, Row, dashboard, panel

# What the alerts watch as well.
POOL_LIMIT, MEMORY_LIMIT = 0.8, 0.9


def _rate(metric: str, by: str = "") -> str:
    return f"sum{f' by ({by})' if by else ''} (rate({metric}[$__rate_interval]))"


_CONNECTIONS = Row(
    "Connections",
    (
        panel(
            "Our pools",
            units.Short,
            (Query('sum by (type) (active_connections{type=~"database.*"})', "{{type}}"),),
            "In use, idle and waiting, over all processes.",
        ),
        panel(
            "Share in use",
            units.PercentUnit,
            (
                Query("midst:database_pool:ratio", "our pools"),
                Query("midst:database_connections:ratio", "PostgreSQL's max_connections"),
            ),
            limit=Limit(POOL_LIMIT),
        ),
        panel(
            "Connections by state",
            units.Short,
            (Query("sum by (state) (pg_stat_activity_count)", "{{state}}"),),
            stacked=True,
        ),
    ),
)

_WORK = Row(
    "What PostgreSQL does",
    (
        panel(
            "Transactions",
            units.OpsPerSecond,
            (
                Query(_rate("pg_stat_database_xact_commit"), "commits"),
                Query(_rate("pg_stat_database_xact_rollback"), "rollbacks"),
            ),
        ),
        panel(
            "Cache hit ratio",
            units.PercentUnit,
            (Query('budget:value{budget="db_cache_hit_rate"}', "all databases"),),
            "Blocks found in shared_buffers. Below the red line for 10 minutes an alert fires.",
            budget="db_cache_hit_rate",
        ),
        panel(
            "Rows",
            units.CountsPerSecond,
            tuple(
                Query(_rate(f"pg_stat_database_tup_{what}"), what)
                for what in ("returned", "fetched", "inserted", "updated", "deleted")
            ),
            "Returned: read by scans. Fetched: found through an index.",
        ),
        panel(
            "Statements that take most time",
            units.Seconds,
            (
                Query(
                    "topk(10, sum by (queryid) (rate(midst_statement_seconds[$__rate_interval])))",
                    "{{queryid}}",
                ),
            ),
            "Seconds of work a second. The admin shows each queryid's text, plan and origin.",
            width=12,
        ),
        panel(
            "Statements that are run most",
            units.OpsPerSecond,
            (
                Query(
                    "topk(10, sum by (queryid) (rate(midst_statement_calls[$__rate_interval])))",
                    "{{queryid}}",
                ),
            ),
            width=12,
        ),
        panel(
            "Locks held by mode",
            units.Short,
            (Query("sum by (mode) (pg_locks_count) > 0", "{{mode}}"),),
        ),
        panel(
            "Waiting for locks, and deadlocks",
            units.Short,
            (
                Query("sum(midst_waiting_for_locks)", "waiting"),
                Query("sum(increase(pg_stat_database_deadlocks[$__rate_interval]))", "deadlocks"),
            ),
        ),
        panel(
            "Oldest transaction",
            units.Seconds,
            (Query("max by (state) (pg_stat_activity_max_tx_duration)", "{{state}}"),),
            "An old one keeps vacuum from its work.",
        ),
        panel(
            "Write-ahead log",
            units.BytesPerSecondSI,
            (Query(_rate("midst_wal_written_bytes"), "written"),),
        ),
        panel(
            "Temporary files",
            units.BytesPerSecondSI,
            (Query(_rate("pg_stat_database_temp_bytes"), "written"),),
            "Sorts and hashes that did not fit into work_mem.",
        ),
        panel(
            "Sequential scans by table",
            units.OpsPerSecond,
            (
                Query(
                    "topk(10, sum by (table) (rate(midst_table_seq_scan[$__rate_interval])))",
                    "{{table}}",
                ),
            ),
        ),
        panel(
            "Largest tables",
            units.BytesIEC,
            (Query("topk(10, sum by (table) (midst_table_size_bytes))", "{{table}}"),),
            kind=Kind.BARS,
            width=12,
        ),
        panel(
            "Most dead rows",
            units.Short,
            (Query("topk(10, sum by (table) (midst_table_dead_rows))", "{{table}}"),),
            kind=Kind.BARS,
            width=12,
        ),
    ),
)

_REDIS = Row(
    "Redis",
    (
        panel(
            "Memory",
            units.BytesIEC,
            (
                Query("redis_memory_used_bytes", "used"),
                Query("redis_memory_max_bytes", "maxmemory"),
            ),
        ),
        panel(
            "Share of maxmemory",
            units.PercentUnit,
            (Query("instance:redis_memory:ratio", "used"),),
            limit=Limit(MEMORY_LIMIT),
        ),
        panel(
            "Commands",
            units.OpsPerSecond,
            (Query(_rate("redis_commands_total", "cmd"), "{{cmd}}"),),
            stacked=True,
        ),
        panel(
            "Keyspace hit rate",
            units.PercentUnit,
            (Query("midst:redis_keyspace_hits:ratio5m", "hits"),),
            "Of single keys, stamps and sessions too: the cache's own rate is on API performance.",
        ),
        panel(
            "Evicted and expired keys",
            units.OpsPerSecond,
            (
                Query(_rate("redis_evicted_keys_total"), "evicted"),
                Query(_rate("redis_expired_keys_total"), "expired"),
            ),
        ),
        panel(
            "Keys by database",
            units.Short,
            (Query("sum by (db) (redis_db_keys) > 0", "{{db}}"),),
            "db0: cache. db1: Celery's queues.",
        ),
        panel("Clients", units.Short, (Query("redis_connected_clients", "connected"),)),
    ),
)

DASHBOARD = dashboard(
    "midst-stores",
    "Database and Redis",
    "Connections, work and memory of PostgreSQL and Redis.",
    (_CONNECTIONS, _WORK, _REDIS),
)
