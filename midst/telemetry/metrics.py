"""The metrics contract: every name, label and bucket that dashboards and budgets read.

Durations are in seconds. No label value ever comes from a client.
"""

from prometheus_client import Counter, Gauge, Histogram

# Every budget edge (300, 500, 1000 ms) is a bucket bound, so that a quantile near it is exact.
BUCKETS_S = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2,
    0.3, 0.4, 0.5, 0.75, 1, 1.5, 2.5, 5, 10,
)  # fmt: skip
BUCKETS_QUERIES = (0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 100)

HTTP_REQUESTS = Counter(
    "http_requests_total", "HTTP requests answered.", ["method", "route", "status"]
)
HTTP_DURATION = Histogram(
    "http_request_duration_seconds", "Time to answer.", ["method", "route"], buckets=BUCKETS_S
)
HTTP_DB_QUERIES = Histogram(
    "http_request_db_queries",
    "Database queries in one request.",
    ["route"],
    buckets=BUCKETS_QUERIES,
)
HTTP_DB_SECONDS = Histogram(
    "http_request_db_seconds", "Database time in one request.", ["route"], buckets=BUCKETS_S
)
DB_QUERIES = Counter("db_queries_total", "Statements sent to the database.", ["operation", "table"])
DB_DURATION = Histogram(
    "db_query_duration_seconds", "Time of one statement.", ["operation", "table"], buckets=BUCKETS_S
)
REDIS_OPERATIONS = Counter(
    "redis_operations_total", "Commands sent to Redis, from wherever.", ["operation"]
)
REDIS_DURATION = Histogram(
    "redis_operation_duration_seconds",
    "Time of one command; in a pipeline, from the pipeline's sending.",
    ["operation"],
    buckets=BUCKETS_S,
)
CACHE_HITS = Counter("cache_hits_total", "Reads answered by the cache.", ["cache_type"])
CACHE_MISSES = Counter("cache_misses_total", "Reads the cache could not answer.", ["cache_type"])
CACHE_AUDITS = Counter(
    "cache_audits_total", "Hits that were compared with the database.", ["cache_type"]
)
CACHE_STALE = Counter(
    "cache_stale_total",
    "Audited hits that differed from the database: must stay 0.",
    ["cache_type"],
)
CACHE_CIRCUIT_OPENED = Counter(
    "cache_circuit_opened_total", "Times that a process stopped using Redis for its cache."
)
CACHE_DEGRADED = Gauge(
    "cache_degraded", "1 while the circuit to Redis is open.", multiprocess_mode="livemax"
)
# type: database_in_use, database_idle, database_waiting (requests without a connection yet),
# redis (open), http (requests in flight).
ACTIVE_CONNECTIONS = Gauge(
    "active_connections", "Connections in use.", ["type"], multiprocess_mode="livesum"
)
# 1 in each worker of web, 0 in every other process: 0 in all is an outage.
HTTP_WORKERS = Gauge("http_workers", "Processes that answer requests.", multiprocess_mode="livesum")
DATABASE_POOL_MAX = Gauge(
    "database_pool_max_connections",
    "Connections that the pools may open, over all processes.",
    multiprocess_mode="livesum",
)
CELERY_WORKER_HEARTBEAT = Gauge(
    "celery_worker_heartbeat_timestamp_seconds",
    "When a worker last gave a sign of life (Unix time).",
    multiprocess_mode="max",
)
CELERY_BEAT_HEARTBEAT = Gauge(
    "celery_beat_heartbeat_timestamp_seconds",
    "When beat last sent a task that was due (Unix time).",
    multiprocess_mode="max",
)
# state: success, failure, retry, ignored, rejected.
CELERY_TASKS = Counter("celery_tasks_total", "Tasks that ended.", ["task", "state"])
# Up to an hour: load runs are tasks too.
CELERY_DURATION = Histogram(
    "celery_task_duration_seconds",
    "Time from a task's start to its end.",
    ["task"],
    buckets=(*BUCKETS_S, 30, 60, 300, 900, 1800, 3600),
)
RATE_LIMIT_DECISIONS = Counter(
    "rate_limit_decisions_total",
    "Requests let through or refused; backend memory: Redis was away, each process by itself.",
    ["limit", "backend", "outcome"],
)
SPANS_EXPORTED = Counter("otel_spans_exported_total", "Spans that the receiver took.")
# reason: queue_full, export_failed.
SPANS_DROPPED = Counter("otel_spans_dropped_total", "Spans that nobody will see.", ["reason"])
