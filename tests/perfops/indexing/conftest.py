"""Databases to try index advice on: PostgreSQL 18 as it is, and 15 with hypopg."""

import os

import pytest
from django.db import connections

from tests.perfops.indexing import bench, debian

_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")


@pytest.fixture
def embedded(rehearsing, django_db_blocker):
    # Not through django_db: its transaction would be around what is tried.
    with django_db_blocker.unblock():
        yield rehearsing


@pytest.fixture
def with_hypopg(planning, django_db_blocker):
    with django_db_blocker.unblock():
        yield planning


@pytest.fixture(scope="module")
def rehearsing(django_db_setup, django_db_blocker):
    """PostgreSQL 18 without hypopg: what is proved is rehearsed."""
    with django_db_blocker.unblock():
        settings = dict(connections.databases["default"])
        with bench.database(settings, f"advice_{_WORKER}") as made:
            yield made


@pytest.fixture(scope="session")
def debian_server():
    if not debian.is_there():
        if os.environ.get("CI"):
            pytest.fail("postgresql-15 and postgresql-15-hypopg are missing: CI must install them.")
        pytest.skip("Debian's postgresql-15 with postgresql-15-hypopg is not installed")
    with debian.server() as settings:
        yield settings


@pytest.fixture(scope="module")
def planning(debian_server, django_db_setup, django_db_blocker):
    """PostgreSQL 15 with hypopg."""
    with django_db_blocker.unblock():
        settings = {**connections.databases["default"], **debian_server}
        with bench.database(settings, f"hypopg_{_WORKER}", hypopg=True) as made:
            yield made
