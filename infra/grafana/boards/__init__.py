"""The dashboards, in the order a person looks at them."""

from infra.grafana.boards import api_performance, database_and_redis, golden_signals, load_runs

DASHBOARDS = (
    golden_signals.DASHBOARD,
    api_performance.DASHBOARD,
    database_and_redis.DASHBOARD,
    load_runs.DASHBOARD,
)
