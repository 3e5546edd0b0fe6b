"""PostgreSQL and Redis, as their exporters and our own pool tell."""

from infra.grafana.encode import Dashboard, Kind, Limit, Panel, Query, Row, Unit

# What the alerts watch as well.
POOL_LIMIT, MEMORY_LIMIT = 0.8, 0.9


def _rate(metric: str, by: str = "") -> str:
    return f"sum{f' by ({by})' if by else ''} (rate({metric}[$__rate_interval]))"


_CONNECTIONS = Row(
    "Connections",
    (
        Panel(
            "Our pools",
            Unit.COUNT,
            (Query('sum by (type) (active_connections{type=~"database.*"})', "{{type}}"),),
            "In use, idle and waiting, over all processes.",
        ),
        Panel(
            "Share in use",
            Unit.SHARE,
            (
                Query("midst:database_pool:ratio", "our pools"),
                Query("midst:database_connections:ratio", "PostgreSQL's max_connections"),
            ),
            limit=Limit(POOL_LIMIT),
        ),
        Panel(
            "Connections by state",
            Unit.COUNT,
            (Query("sum by (state) (pg_stat_activity_count)", "{{state}}"),),
            stacked=True,
        ),
    ),
)

_WORK = Row(
    "What PostgreSQL does",
    (
        Panel(
            "Transactions",
            Unit.OPERATIONS,
            (
                Query(_rate("pg_stat_database_xact_commit"), "commits"),
                Query(_rate("pg_stat_database_xact_rollback"), "rollbacks"),
            ),
        ),
        Panel(
            "Cache hit ratio",
            Unit.SHARE,
            (Query('budget:value{budget="db_cache_hit_rate"}', "all databases"),),
            "Blocks found in shared_buffers. Below the red line for 10 minutes an alert fires.",
            budget="db_cache_hit_rate",
        ),
        Panel(
            "Rows",
            Unit.ROWS,
            tuple(
                Query(_rate(f"pg_stat_database_tup_{what}"), what)
                for what in ("returned", "fetched", "inserted", "updated", "deleted")
            ),
            "Returned: read by scans. Fetched: found through an index.",
        ),
        Panel(
            "Statements that take most time",
            Unit.SECONDS,
            (
                Query(
                    "topk(10, sum by (queryid) (rate(midst_statement_seconds[$__rate_interval])))",
                    "{{queryid}}",
                ),
            ),
            "Seconds of work a second. The admin shows each queryid's text, plan and origin.",
            width=12,
        ),
        Panel(
            "Statements that are run most",
            Unit.OPERATIONS,
            (
                Query(
                    "topk(10, sum by (queryid) (rate(midst_statement_calls[$__rate_interval])))",
                    "{{queryid}}",
                ),
            ),
            width=12,
        ),
        Panel(
            "Locks held by mode",
            Unit.COUNT,
            (Query("sum by (mode) (pg_locks_count) > 0", "{{mode}}"),),
        ),
        Panel(
            "Waiting for locks, and deadlocks",
            Unit.COUNT,
            (
                Query("sum(midst_waiting_for_locks)", "waiting"),
                Query("sum(increase(pg_stat_database_deadlocks[$__rate_interval]))", "deadlocks"),
            ),
        ),
        Panel(
            "Oldest transaction",
            Unit.SECONDS,
            (Query("max by (state) (pg_stat_activity_max_tx_duration)", "{{state}}"),),
            "An old one keeps vacuum from its work.",
        ),
        Panel(
            "Write-ahead log",
            Unit.BYTES_PER_SECOND,
            (Query(_rate("midst_wal_written_bytes"), "written"),),
        ),
        Panel(
            "Temporary files",
            Unit.BYTES_PER_SECOND,
            (Query(_rate("pg_stat_database_temp_bytes"), "written"),),
            "Sorts and hashes that did not fit into work_mem.",
        ),
        Panel(
            "Sequential scans by table",
            Unit.OPERATIONS,
            (
                Query(
                    "topk(10, sum by (table) (rate(midst_table_seq_scan[$__rate_interval])))",
                    "{{table}}",
                ),
            ),
        ),
        Panel(
            "Largest tables",
            Unit.BYTES,
            (Query("topk(10, sum by (table) (midst_table_size_bytes))", "{{table}}"),),
            kind=Kind.BARS,
            width=12,
        ),
        Panel(
            "Most dead rows",
            Unit.COUNT,
            (Query("topk(10, sum by (table) (midst_table_dead_rows))", "{{table}}"),),
            kind=Kind.BARS,
            width=12,
        ),
    ),
)

_REDIS = Row(
    "Redis",
    (
        Panel(
            "Memory",
            Unit.BYTES,
            (
                Query("redis_memory_used_bytes", "used"),
                Query("redis_memory_max_bytes", "maxmemory"),
            ),
        ),
        Panel(
            "Share of maxmemory",
            Unit.SHARE,
            (Query("instance:redis_memory:ratio", "used"),),
            limit=Limit(MEMORY_LIMIT),
        ),
        Panel(
            "Commands",
            Unit.OPERATIONS,
            (Query(_rate("redis_commands_total", "cmd"), "{{cmd}}"),),
            stacked=True,
        ),
        Panel(
            "Keyspace hit rate",
            Unit.SHARE,
            (Query("midst:redis_keyspace_hits:ratio5m", "hits"),),
            "Of single keys, stamps and sessions too: the cache's own rate is on API performance.",
        ),
        Panel(
            "Evicted and expired keys",
            Unit.OPERATIONS,
            (
                Query(_rate("redis_evicted_keys_total"), "evicted"),
                Query(_rate("redis_expired_keys_total"), "expired"),
            ),
        ),
        Panel(
            "Keys by database",
            Unit.COUNT,
            (Query("sum by (db) (redis_db_keys) > 0", "{{db}}"),),
            "db0: cache. db1: Celery's queues.",
        ),
        Panel("Clients", Unit.COUNT, (Query("redis_connected_clients", "connected"),)),
    ),
)

DASHBOARD = Dashboard(
    "midst-stores",
    "Database and Redis",
    "Connections, work and memory of PostgreSQL and Redis.",
    (_CONNECTIONS, _WORK, _REDIS),
)
