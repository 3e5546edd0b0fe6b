"""A broker that dies while a run is queued, and a worker in the middle of it."""

import os
import signal
import time

import kombu.pools
import pytest
from celery import current_app
from django.db import connection

from midst.stack import process
from midst.stack.valkey import Valkey
from perfops.jobs import queue
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
        queue.look_after_jobs()
        run.refresh_from_db()


@pytest.fixture
def broker(tmp_path):
    """A broker of this test's own: ``restart`` ends it like a power cut, and ``url`` stays."""
    server = Valkey(tmp_path / "valkey", tmp_path / "valkey.log")

    class Broker:
        def __init__(self):
            self.child, url = server.start(death=signal.SIGKILL)
            self.url = f"{url}/0"

        def restart(self):
            os.kill(self.child.pid, signal.SIGKILL)
            process.stop(self.child)
            self.child, _ = server.start(death=signal.SIGKILL)

    def point_at(url):
        current_app.conf.broker_url = url
        current_app._pool = current_app.amqp._producer_pool = None
        kombu.pools.reset()

    was = current_app.conf.broker_url
    own = Broker()
    point_at(own.url)
    yield own
    point_at(was)
    process.stop(own.child)


@pytest.fixture
def worker(broker, tmp_path, scenario):
    """Start a Celery worker on the test database; returns a function, called once per worker."""
    scenario(rate=100, seconds=12)
    database = connection.settings_dict
    changed = {"SCENARIO_DIR": str(tmp_path / "k6"), "HEARTBEAT_S": 0.5}
    lines = [
        "from django.conf import settings",
        f"settings.DATABASES['default']['NAME'] = {database['NAME']!r}",
        f"settings.PERFOPS = {{**settings.PERFOPS, **{changed!r}}}",
        f"settings.CELERY_BROKER_URL = {broker.url!r}",
        # A project's limit for its own tasks, shorter than the run.
        "settings.CELERY_TASK_TIME_LIMIT = settings.CELERY_TASK_SOFT_TIME_LIMIT = 6",
    ]
    started = []

    def start():
        log = tmp_path / f"worker-{len(started)}.log"
        started.append(programs.start_worker("celery", lines, log))
        return started[-1]

    yield start
    for each in started:
        programs.end(each)


def test_a_run_outlives_its_broker_and_a_killed_worker_takes_k6_along(
    worker, broker, site, settings
):
    settings.PERFOPS = {**settings.PERFOPS, "RESEND_AFTER_S": 1.0}
    run = runs.request_run(scenario="smoke", target=site.url)
    broker.restart()
    first = worker()
    wait_for(run, State.RUNNING)
    assert run.queued_again_at is not None
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
