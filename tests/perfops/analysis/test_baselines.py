"""Where a window begins, and how long snapshots are kept."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from perfops import tasks
from perfops.analysis import services as analyses
from perfops.analysis import snapshots
from perfops.analysis.collectors.records import Server
from perfops.analysis.collectors.snapshot import Snapshot
from perfops.models import Analysis, StoredSnapshot

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PRESENT = Snapshot(
    taken_at=NOW.timestamp(), server=Server(180000, "18.0", "d", "r", started_at=0.0, now=0.0)
)


def stored(*, hours_ago, analysis=None, database="default", packed=b"x", now=NOW):
    return StoredSnapshot.objects.create(
        database=database, analysis=analysis, packed=packed,
        taken_at=now - timedelta(hours=hours_ago),
    )  # fmt: skip


def find(since=None):
    return snapshots.find("default", PRESENT, since)


def test_without_since_it_is_the_last_analysis_that_is_an_hour_old():
    assert find() is None
    stored(hours_ago=2)
    stored(hours_ago=2, analysis=Analysis.objects.create(), database="other")
    assert find() is None
    last = stored(hours_ago=30, analysis=Analysis.objects.create())
    stored(hours_ago=0.5, analysis=Analysis.objects.create())
    assert find() == last


def test_a_time_takes_the_newest_snapshot_that_is_as_old_or_else_the_oldest():
    assert find(timedelta(hours=24)) is None
    young = stored(hours_ago=3)
    assert find(timedelta(hours=24)) == young
    hourly = [stored(hours_ago=n) for n in (23, 25, 40)]
    assert find(timedelta(hours=24)) == hourly[1]


def test_an_analysis_is_taken_by_its_number():
    analysis = Analysis.objects.create()
    with pytest.raises(snapshots.NoBaseline, match="no snapshot"):
        find(analysis.pk)
    mine = stored(hours_ago=0.1, analysis=analysis)
    assert find(analysis.pk) == mine
    with pytest.raises(snapshots.NoBaseline, match=f"the newest are: {analysis.pk}"):
        find(analysis.pk + 1000)


def test_a_wrong_number_or_advisor_is_a_sentence():
    with pytest.raises(analyses.CouldNotAnalyse, match=r"there are: .*slow_queries"):
        analyses.analyse(only=["slow_querys"])


def test_old_snapshots_are_emptied_and_their_summaries_stay(settings):
    settings.PERFOPS = {**settings.PERFOPS, "KEEP_HOURLY_DAYS": 1, "KEEP_ANALYSES": 2}
    now = timezone.now()
    hourly = [stored(hours_ago=n, now=now) for n in (1, 23, 25, 500)]
    of_analyses = [
        stored(hours_ago=n, analysis=Analysis.objects.create(), now=now) for n in (1, 200, 900)
    ]
    other = stored(hours_ago=999, database="other", now=now)
    assert snapshots.expire("default") == 3
    kept = set(StoredSnapshot.objects.filter(packed__isnull=False))
    assert kept == {*hourly[:2], *of_analyses[:2], other}
    assert StoredSnapshot.objects.count() == 8


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_hourly_task_keeps_the_counters_and_nothing_else():
    tasks.take_snapshot("default")
    kept = StoredSnapshot.objects.get()
    assert kept.analysis is None
    assert kept.database_bytes > 0
    assert len(kept.packed) < 100_000
    found = analyses.analyse(since=timedelta(minutes=1), only=["growth"])
    assert found.window.before is not None
    assert found.window.before.foreign_keys == ()
    assert found.window.after.foreign_keys
    # A window of a minute shows no requests yet, and says so.
    assert any("no request was counted in it" in note for note in found.window.notes)


def test_the_hourly_snapshot_is_in_the_schedule():
    from django_celery_beat.models import PeriodicTask

    task = PeriodicTask.objects.get(name="perfops: hourly snapshot")
    assert (task.task, json.loads(task.kwargs)) == (
        "perfops.take_snapshot",
        {"database": "default"},
    )
    assert (task.crontab.hour, task.crontab.minute) == ("*", "7")


def test_a_window_that_can_not_be_had_leaves_no_analysis_behind():
    with pytest.raises(analyses.CouldNotAnalyse, match="There is no analysis 999"):
        analyses.analyse(since=999)
    with pytest.raises(ValueError, match="There is no analysis 999"):
        analyses.request_analysis(since="999")
    assert not Analysis.objects.exists()
