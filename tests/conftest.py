"""What every test may need. The servers are in ``tests/servers.py``."""

import os

import hypothesis
import pytest
from django_redis import get_redis_connection

from tests.valkey import things, valkey
from tests.world import world

__all__ = ["empty_cache", "things", "valkey", "world"]

# A busy machine is no failure; CI tries the same examples every time.
hypothesis.settings.register_profile(
    "midst",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
hypothesis.settings.load_profile("midst")


@pytest.fixture
def empty_cache(settings):
    """Forget what this worker's tests have cached; other workers have a prefix of their own."""
    client = get_redis_connection("default")
    keys = list(client.scan_iter(f"{settings.CACHES['default']['KEY_PREFIX']}:*"))
    if keys:
        client.delete(*keys)
