"""The list of schedules: what became of each, and when it comes next."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from perfops.models import LoadRun, ScheduleOutcome

pytestmark = pytest.mark.django_db
URL = reverse("admin:django_celery_beat_periodictask_changelist")


@pytest.fixture
def outcomes(admin_client):
    """Return a function that reads the list: outcomes by name, as text."""

    def read():
        rows = admin_client.get(URL).context["cl"]
        shown = rows.model_admin.outcome
        return {task.name: shown(task) for task in rows.result_list}

    return read


def ended(name, error="", **task):
    now = timezone.now()
    PeriodicTask.objects.filter(name=name).update(last_run_at=now, **task)
    ScheduleOutcome.objects.create(name=name, ended_at=now, error=error)


def test_each_outcome_stands_in_the_list(outcomes, admin_client):
    PeriodicTask.objects.update(last_run_at=timezone.now())
    ended("perfops: weekly analysis")
    ended("perfops: hourly snapshot", "OSError: <no> disk")
    late = PeriodicTask.objects.filter(name="perfops: hourly look at plans")
    late.update(last_run_at=timezone.now() - timedelta(hours=5))
    found = outcomes()
    assert "ok" in found["perfops: weekly analysis"]
    assert "failed" in found["perfops: hourly snapshot"]
    assert "OSError: &lt;no&gt; disk" in found["perfops: hourly snapshot"]
    assert "put off" in found["perfops: hourly look at plans"]
    assert "within a day of beat" in found["perfops: hourly look at plans"]
    assert "under way" in found["perfops: daily clearing of old series"]


def test_while_beat_sends_nothing_what_is_due_was_missed(outcomes):
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(hours=5))
    found = outcomes()["perfops: hourly look at plans"]
    assert "missed" in found
    assert "Beat has not sent it." in found


def test_a_load_run_that_was_queued_shows_its_verdict(outcomes):
    name = "perfops: daily smoke run"
    ended(name)
    assert "ok" in outcomes()[name]
    run = LoadRun.objects.create(
        scenario="smoke", target="http://x", trigger="schedule", state=LoadRun.State.FINISHED,
        verdict=LoadRun.Verdict.FAILED,
    )  # fmt: skip
    assert f">Run {run.pk}</a>" in outcomes()[name]
    assert str(run.get_verdict_display()) in outcomes()[name]
    # Of an earlier day, by hand, of another scenario: none of them is this one's.
    LoadRun.objects.update(created_at=timezone.now() - timedelta(days=1))
    assert "Run" not in outcomes()[name]
    PeriodicTask.objects.filter(name=name).update(kwargs="[")
    assert "ok" in outcomes()[name]


def test_it_asks_as_much_however_many_there_are(admin_client, django_assert_max_num_queries):
    admin_client.get(URL)
    with django_assert_max_num_queries(12):
        admin_client.get(URL)
