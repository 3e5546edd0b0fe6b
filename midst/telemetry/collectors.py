"""What is asked for Prometheus alone, in the metrics server: never in a worker's request.

Celery's queues are asked at each scrape, with a short timeout. What takes longer (the figures of
``METRICS_SOURCES``, pending migrations) is asked in the background, and a scrape tells the last
answer; a source that fails tells nothing rather than something old.
"""

import logging
from collections.abc import Callable, Iterator
from threading import Event, Thread

from celery import current_app
from django.conf import settings
from django.db import connections
from django.utils.module_loading import import_string
from django_prometheus.migrations import ExportMigrations
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError

from midst.telemetry.redis import connection_class

TIMEOUT_S = 0.25
INTERVAL_S = 15.0
# kombu keeps a list for each priority: the name, this, the priority.
_SEPARATOR = "\x06\x16"
_PRIORITIES = (0, 3, 6, 9)

# Metric, help, label, and its value for each value of the label.
Figures = list[tuple[str, str, str, dict[str, float]]]

log = logging.getLogger(__name__)


class QueueDepth(Collector):
    """Messages that wait in the broker, by queue; nothing when it does not answer."""

    def __init__(self) -> None:
        self._redis = Redis.from_url(
            settings.CELERY_BROKER_URL,
            connection_class=connection_class(settings.CELERY_BROKER_URL),
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=None,
        )

    def collect(self) -> Iterator[Metric]:
        depth = GaugeMetricFamily(
            "celery_queue_depth", "Messages that wait in the broker.", labels=["queue"]
        )
        names = list(current_app.amqp.queues)
        pipeline = self._redis.pipeline(transaction=False)
        for name in names:
            for priority in _PRIORITIES:
                pipeline.llen(f"{name}{_SEPARATOR}{priority}" if priority else name)
        try:
            lengths = pipeline.execute()
        except RedisError as error:
            log.warning("the queues can't be read: %s", error)
            return
        for position, name in enumerate(names):
            first = position * len(_PRIORITIES)
            depth.add_metric([name], sum(lengths[first : first + len(_PRIORITIES)]))
        yield depth


class Background(Collector):
    """The last answers of the sources named in ``METRICS_SOURCES``."""

    def __init__(self, sources: list[Callable[[], Figures]]) -> None:
        self._sources = sources
        self._figures: list[Figures] = [[] for _ in sources]

    def start(self) -> Event:
        """Ask every 15 s until the returned event is set."""
        stop = Event()

        def ask() -> None:
            while True:
                self.refresh()
                if stop.wait(INTERVAL_S):
                    return

        Thread(target=ask, name="metrics-sources", daemon=True).start()
        return stop

    def refresh(self) -> None:
        """Ask every source once."""
        for position, source in enumerate(self._sources):
            try:
                self._figures[position] = source()
            # Whatever fails in one, the others go on.
            except Exception as error:
                log.warning("no figures from %s: %s", source.__module__, error)
                self._figures[position] = []
        connections.close_all()

    def collect(self) -> Iterator[Metric]:
        for figures in self._figures:
            for name, text, label, values in figures:
                family = GaugeMetricFamily(name, text, labels=[label])
                for value, number in values.items():
                    family.add_metric([value], number)
                yield family


def migrations() -> Figures:
    """django-prometheus keeps gauges of its own; they go the common way."""
    ExportMigrations()
    return []


def collectors() -> tuple[QueueDepth, Background]:
    """Return what the metrics server adds to the numbers of the processes."""
    sources = [import_string(path) for path in settings.METRICS_SOURCES]
    return QueueDepth(), Background([*sources, migrations])
