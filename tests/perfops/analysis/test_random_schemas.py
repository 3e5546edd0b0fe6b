"""A few databases of random shape; ``python -m tests.perfops.random_schemas`` tries hundreds."""

import pytest
from django.db import connections

from tests.perfops import random_schemas

# 13 has a full sequence under a view.
SEEDS = (6, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (8, 13)))


@pytest.mark.parametrize("seed", SEEDS)
def test_on_a_random_database_all_remedies_run_and_no_drop_hurts(seed, django_db_blocker, request):
    request.getfixturevalue("django_db_setup")
    with django_db_blocker.unblock():
        settings = dict(connections.databases["default"])
        outcome = random_schemas.try_seed(settings, seed, "18")
    assert outcome.faults == []
    assert outcome.drops
    assert outcome.statements >= 8
