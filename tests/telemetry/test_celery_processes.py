"""Real beat and real workers, with each kind of pool: traces go from one to the other."""

import contextlib
import signal
import subprocess
import sys

import pytest
from django.conf import settings
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from perfops.models import ScheduleOutcome
from tests.telemetry.conftest import database_url, wait_for
from tests.telemetry.processes import PATIENCE_S, environment
from tests.telemetry.receivers import receiver

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.slow,
]


@pytest.fixture
def celery(tmp_path, own_redis):
    """Return a context that runs ``celery ARGUMENTS`` and yields a function that reads its log."""
    metrics = tmp_path / "metrics"
    metrics.mkdir()

    @contextlib.contextmanager
    def run(*arguments, **variables):
        path = tmp_path / f"{arguments[0]}.log"
        with path.open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "midst.celery", *arguments],
                cwd=settings.BASE_DIR,
                env=environment(
                    metrics, DATABASE_URL=database_url(), REDIS_URL=own_redis, **variables
                ),
                stdout=log,
                stderr=log,
            )
        try:
            yield path.read_text
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)

    return run


@pytest.fixture
def every_second():
    """Beat has one thing to send only, and often."""
    PeriodicTask.objects.all().delete()
    schedule = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.create(name="often", task="breaking.fail", interval=schedule)


@pytest.mark.parametrize("pool", ["prefork", "solo", "threads"])
def test_what_beat_sends_is_a_trace_that_the_worker_goes_on_with(celery, every_second, pool):
    with receiver() as collector, receiver() as told:
        variables = {
            "DJANGO_SETTINGS_MODULE": "tests.telemetry.site",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            # So late that all that comes was sent at the end of a process.
            "OTEL_BSP_SCHEDULE_DELAY": "600000",
            "SENTRY_DSN": f"{told.url.replace('://', '://key@')}/1",
        }
        worker = ("worker", "--pool", pool, "-c", "1", "--without-gossip", "--without-mingle")
        with (
            celery(*worker, "--loglevel", "INFO", MIDST_SERVICE="midst-worker", **variables) as log,
            celery("beat", "--pidfile=", MIDST_SERVICE="midst-beat", **variables),
        ):
            wait_for(lambda: log().count("raised unexpected") >= 2, "two tasks")

    # For the list of schedules.
    assert ScheduleOutcome.objects.get(name="often").error == "ValueError: as asked"
    sent = {span.id: span for span in collector.spans if span.name == "apply_async/breaking.fail"}
    run = [span for span in collector.spans if span.name == "run/breaking.fail"]
    assert len(run) >= 2
    for task in run:
        assert (task.failed, task.resource["service.name"]) == (True, "midst-worker")
        publish = sent[task.parent]
        assert (publish.parent, publish.trace) == ("", task.trace)
        assert publish.resource["service.name"] == "midst-beat"
    assert len({task.trace for task in run}) == len(run)
    assert {event["contexts"]["trace"]["trace_id"] for event in told.events} == {
        task.trace for task in run
    }
