"""A message that the broker has lost is sent again; a job starts once, however many come."""

from datetime import timedelta

import pytest
from celery import current_app
from django.utils import timezone

from perfops import tasks
from perfops.jobs import queue
from perfops.jobs.queue import waiting_text
from perfops.load import services as runs
from perfops.models import LoadRun
from perfops.models.analyses import Analysis

pytestmark = pytest.mark.django_db
MESSAGE = {"task": "perfops.execute_run", "arguments": {"run_id": 1}, "limit_s": 60}


@pytest.fixture
def sent(monkeypatch):
    """The names of the tasks that were sent, and nothing else of them."""
    names = []
    monkeypatch.setattr(current_app, "send_task", lambda name, **_: names.append(name))
    return names


def waiting(model, age_s, **fields):
    job = model.objects.create(**{"message": MESSAGE, **fields})
    moment = timezone.now() - timedelta(seconds=age_s)
    model.objects.filter(pk=job.pk).update(created_at=moment)
    return job


def test_only_what_waits_for_long_is_sent_again_and_not_more_often_than_that(sent):
    waiting(LoadRun, 19, target="http://127.0.0.1:1")
    waiting(LoadRun, 25, target="http://127.0.0.1:2", state=LoadRun.State.RUNNING,
            heartbeat_at=timezone.now())  # fmt: skip
    # Whoever asked for it works on it.
    waiting(LoadRun, 25, target="http://127.0.0.1:3", message=None)
    lost = waiting(LoadRun, 25, target="http://127.0.0.1:4")
    looked = waiting(Analysis, 25, message={**MESSAGE, "task": "perfops.analyse_database"})
    assert waiting_text(lost) == "Waiting for a Celery worker to take it."
    assert [queue.resend(), queue.resend()] == [2, 0]
    assert sorted(sent) == ["perfops.analyse_database", "perfops.execute_run"]
    for job in (lost, looked):
        job.refresh_from_db()
        assert waiting_text(job).startswith("Queued, sent again at ")
    LoadRun.objects.filter(pk=lost.pk).update(
        queued_again_at=timezone.now() - timedelta(seconds=21)
    )
    tasks.reap_lost_runs()
    assert len(sent) == 3


def test_of_two_that_see_the_same_lost_message_one_sends_it(sent, monkeypatch):
    waiting(LoadRun, 25, target="http://127.0.0.1:1")
    monkeypatch.setattr(
        current_app, "send_task", lambda name, **_: (sent.append(name), queue.resend())
    )
    assert queue.resend() == 1
    assert len(sent) == 1


def test_a_broker_that_is_still_away_leaves_the_job_queued(monkeypatch):
    def away(*_, **__):
        raise OSError("refused")

    lost = waiting(LoadRun, 25, target="http://127.0.0.1:1")
    monkeypatch.setattr(current_app, "send_task", away)
    assert queue.resend() == 0
    lost.refresh_from_db()
    assert lost.state == LoadRun.State.QUEUED


@pytest.mark.parametrize("state", [LoadRun.State.FINISHED, LoadRun.State.CANCELED])
def test_a_second_message_of_a_run_executes_nothing_and_alerts_nobody(state, monkeypatch):
    for name in ("send_alerts", "send_webhook"):
        task = getattr(tasks, name)
        monkeypatch.setattr(task, "apply_async", lambda *_, **__: pytest.fail("it was sent"))
    run = runs.request_run(scenario="smoke", enqueue=False)
    LoadRun.objects.filter(pk=run.pk).update(state=state)
    tasks.execute_run(run.pk)
    run.refresh_from_db()
    assert run.state == state


def test_a_second_message_of_an_analysis_is_no_failure():
    analysis = waiting(Analysis, 1, state=Analysis.State.FINISHED)
    tasks.analyse_database(analysis_id=analysis.pk)
    analysis.refresh_from_db()
    assert analysis.state == Analysis.State.FINISHED
