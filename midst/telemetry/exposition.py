"""The text that Prometheus scrapes, gathered over every process of the application."""

from collections.abc import Callable

from prometheus_client import REGISTRY, CollectorRegistry, exposition
from prometheus_client.registry import Collector

from midst.telemetry.shared import gathering, text
from midst.telemetry.shared.values import directory

# What only the process that is scraped knows, asked at each scrape.
at_scrape: list[Collector] = []


def render(accept: str) -> tuple[bytes, str]:
    """Return ``(body, content type)`` in the format that the ``Accept`` header asks for.

    All processes when they share a directory, else this one. Exemplars are in OpenMetrics only:
    the older format has no place for them.
    """
    encode: Callable[[Collector], bytes]
    encode, content_type = exposition.choose_encoder(accept)
    rest = CollectorRegistry(support_collectors_without_names=True)
    for collector in at_scrape:
        rest.register(collector)
    folder = directory()
    if folder is None:
        rest.register(REGISTRY)
        return encode(rest), content_type
    openmetrics = content_type.startswith("application/openmetrics-text")
    shared = text.encode(gathering.totals(folder), openmetrics=openmetrics)
    return shared + encode(rest), content_type
