"""What every test may need. The servers are in ``tests/servers.py``."""

import os

import hypothesis
import pytest

from tests.valkey import forget_cached, things, valkey, written
from tests.world import shared_world, world, world_of_module

__all__ = [
    "empty_cache", "shared_world", "things", "valkey", "world", "world_of_module", "written",
]  # fmt: skip

# A busy machine is no failure. `make test` tries the same examples every time, so that it never
# fails by chance; `make random-search`, once a week in a workflow, looks for new ones.
_SHARED = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("same", derandomize=True, max_examples=50, **_SHARED)
hypothesis.settings.register_profile(
    "random", max_examples=200, print_blob=True, database=None, **_SHARED
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture
def empty_cache():
    """Forget what this worker's tests have cached."""
    forget_cached()


def pytest_collection_modifyitems(items):
    """A test that empties the tables gives the migrations' rows back, or the next one fails."""
    for item in items:
        for mark in item.iter_markers("django_db"):
            if mark.kwargs.get("transaction") and not mark.kwargs.get("serialized_rollback"):
                raise pytest.UsageError(f"{item.nodeid}: add serialized_rollback=True")
