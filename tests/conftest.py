"""What every test may need. The servers are in ``tests/servers.py``."""

import pytest
from django_redis import get_redis_connection

from tests.world import world

__all__ = ["empty_cache", "world"]


@pytest.fixture
def empty_cache(settings):
    """Forget what this worker's tests have cached; other workers have a prefix of their own."""
    client = get_redis_connection("default")
    keys = list(client.scan_iter(f"{settings.CACHES['default']['KEY_PREFIX']}:*"))
    if keys:
        client.delete(*keys)
