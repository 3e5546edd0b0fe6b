"""The text that Prometheus scrapes, gathered over every process of the application."""

import os
from collections.abc import Callable

from prometheus_client import REGISTRY, CollectorRegistry, exposition, multiprocess
from prometheus_client.registry import Collector


def registry() -> Collector:
    """Return what to expose: all processes when they share a directory, else this one."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    shared = CollectorRegistry(support_collectors_without_names=True)
    multiprocess.MultiProcessCollector(shared)
    return shared


def render(accept: str) -> tuple[bytes, str]:
    """Return ``(body, content type)`` in the format that the ``Accept`` header asks for."""
    encode: Callable[[Collector], bytes]
    encode, content_type = exposition.choose_encoder(accept)
    return encode(registry()), content_type
