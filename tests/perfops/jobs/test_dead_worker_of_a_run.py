"""A Celery worker that is killed in a run: lost within a minute, and the next run works."""

import os
import signal
import time

import pytest
from django.db import connection

from perfops.jobs import lifecycle
from perfops.load import services as runs
from perfops.models import LoadRun
from tests.perfops import programs

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.usefixtures("quick_enough"),
]
State = LoadRun.State


def wait_for(run, *states, seconds=120):
    deadline = time.monotonic() + seconds
    while run.state not in states:
        assert time.monotonic() < deadline, f"still {run.state}, not {states}: {run.reasons}"
        time.sleep(0.2)
        lifecycle.reap()
        run.refresh_from_db()


@pytest.fixture
def queue(settings):
    """A queue of this test's own, so that no other worker's tasks come in between."""
    from celery import current_app

    name = f"test-{os.getpid()}"
    was = current_app.conf.task_default_queue
    current_app.conf.task_default_queue = name
    yield name
    current_app.conf.task_default_queue = was


@pytest.fixture
def worker(queue, tmp_path, scenario):
    """Start a Celery worker on the test database; returns a function, called once per worker."""
    scenario(rate=100, seconds=12)
    database = connection.settings_dict
    changed = {"SCENARIO_DIR": str(tmp_path / "k6"), "HEARTBEAT_S": 0.5}
    lines = [
        "from django.conf import settings",
        f"settings.DATABASES['default']['NAME'] = {database['NAME']!r}",
        f"settings.PERFOPS = {{**settings.PERFOPS, **{changed!r}}}",
        # A project's limit for its own tasks, shorter than the run.
        "settings.CELERY_TASK_TIME_LIMIT = settings.CELERY_TASK_SOFT_TIME_LIMIT = 6",
    ]
    started = []

    def start():
        log = tmp_path / f"worker-{len(started)}.log"
        started.append(programs.start_worker(queue, lines, log))
        return started[-1]

    yield start
    for process in started:
        programs.end(process)


def test_a_killed_worker_loses_its_run_takes_k6_along_and_the_next_run_works(worker, site):
    first = worker()
    run = runs.request_run(scenario="smoke", target=site.url)
    wait_for(run, State.RUNNING)
    deadline = time.monotonic() + 60
    while not programs.k6_of(site.url):
        assert time.monotonic() < deadline, "k6 was not started"
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait(60)
    wait_for(run, State.LOST)
    assert "it died" in run.reasons[0]
    assert programs.k6_of(site.url) == [], "k6 goes on without its worker"

    worker()
    second = runs.request_run(scenario="smoke", target=site.url)
    wait_for(second, State.FINISHED)
    assert second.verdict == LoadRun.Verdict.PASSED, second.reasons
