"""What a run has measured is stored when the database takes it again: full disks and restarts."""

import time

import pytest
from django.db import connection
from django.utils import timezone

from perfops.jobs import lifecycle
from perfops.load.parser import Timing
from perfops.load.recording import Recording
from perfops.load.storing import Storage
from perfops.models import LoadRun
from perfops.models.runs import Sample

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
FULL = """
CREATE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER disk_is_full BEFORE INSERT ON perfops_sample EXECUTE FUNCTION disk_is_full();
"""
ROOM = "DROP FUNCTION disk_is_full CASCADE"
RESTART = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def sql(text):
    with connection.cursor() as cursor:
        cursor.execute(text)


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


@pytest.mark.parametrize(("breaks", "mends"), [(FULL, ROOM), (RESTART, "SELECT 1")])
def test_nothing_measured_is_lost(breaks, mends, settings, caplog):
    settings.PERFOPS = {**settings.PERFOPS, "HEARTBEAT_S": 0.1}
    run = LoadRun.objects.create(
        scenario="smoke", target="http://127.0.0.1:1", state="running",
        heartbeat_at=timezone.now(), worker=lifecycle.worker_name(),
    )  # fmt: skip
    recording = Recording()
    storage = Storage(run, recording)

    def answered(second):
        for _ in range(50):
            recording.record(Timing(1000.0 + second, "/", 5.0, error=False, unreachable=False))

    def stored():
        return sum(Sample.objects.filter(run=run, route="").values_list("requests", flat=True))

    answered(0)
    storage.start()
    until(lambda: stored() == 50)
    sql(breaks)
    answered(1)
    until(lambda: "keeps its samples in memory" in caplog.text)
    answered(2)
    sql(mends)
    storage.finish()
    assert stored() == 150
    run.refresh_from_db()
    assert run.state == LoadRun.State.RUNNING
