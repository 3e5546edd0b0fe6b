"""How full the database pool is, looked at once a second: no request pays for it."""

from threading import Event, Thread

from django.db import connections

from midst.telemetry import metrics

INTERVAL_S = 1.0

_in_use = metrics.ACTIVE_CONNECTIONS.labels("database_in_use")
_idle = metrics.ACTIVE_CONNECTIONS.labels("database_idle")
_waiting = metrics.ACTIVE_CONNECTIONS.labels("database_waiting")


def watch() -> Event:
    """Look at this process' pools until the returned event is set; started after the fork."""
    stop = Event()

    def look() -> None:
        while not stop.wait(INTERVAL_S):
            sample()

    Thread(target=look, name="pool-metrics", daemon=True).start()
    return stop


def sample() -> None:
    """Set the gauges from what the pools say of themselves."""
    most = size = idle = waiting = 0
    for alias in connections:
        pool = getattr(connections[alias], "pool", None)
        if pool is None:
            continue
        most += pool.max_size
        # It says that it has connections even before it is opened.
        if pool.closed:
            continue
        stats = pool.get_stats()
        size += stats["pool_size"]
        idle += stats["pool_available"]
        waiting += stats["requests_waiting"]
    metrics.DATABASE_POOL_MAX.set(most)
    _in_use.set(size - idle)
    _idle.set(idle)
    _waiting.set(waiting)
