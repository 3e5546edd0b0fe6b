"""Beat lives on when the schedule can't be read."""

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django_celery_beat.models import PeriodicTasks
from django_celery_beat.schedulers import DatabaseScheduler

from midst.celery import app
from midst.operations.beat import PatientScheduler


@pytest.fixture
def locked(monkeypatch):
    """Someone holds the table of tasks, and who waits for it gives up soon."""
    there = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    with psycopg.connect(**{name: there[name] for name in names if there.get(name)}) as someone:
        someone.execute("LOCK TABLE django_celery_beat_periodictask IN ACCESS EXCLUSIVE MODE")
        monkeypatch.setitem(connection.settings_dict["OPTIONS"], "options", "-c lock_timeout=100ms")
        connection.close()
        yield
    connection.close()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_schedule_that_can_not_be_read_does_not_end_beat(request):
    scheduler = PatientScheduler(app=app, lazy=False)
    scheduler.tick()
    PeriodicTasks.update_changed()
    request.getfixturevalue("locked")
    assert scheduler.tick() == scheduler.max_interval


def test_it_is_the_scheduler_of_our_beat():
    assert f"{PatientScheduler.__module__}:PatientScheduler" == settings.CELERY_BEAT_SCHEDULER
    assert issubclass(PatientScheduler, DatabaseScheduler)
