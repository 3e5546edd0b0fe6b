"""An analysis whose process is killed in the middle is lost; one that is slow is not."""

import signal
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from perfops.analysis import services as analyses
from perfops.conf import conf
from perfops.jobs import lifecycle
from perfops.models import Analysis
from tests.perfops import programs

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.slow,
]
State = Analysis.State
BEATS = {"HEARTBEAT_S": 0.2, "LOST_AFTER_S": 2.0, "ORIGINS": False, "INDEX_ADVICE_S": 0.0}
PATIENCE_S = 60


@pytest.fixture
def process(settings, tmp_path):
    """Start ``analyze_db`` on the test database, in a process of its own."""
    settings.PERFOPS = {**settings.PERFOPS, **BEATS}
    lines = [
        "from django.conf import settings",
        "from django.core import management",
        f"settings.DATABASES['default']['NAME'] = {connection.settings_dict['NAME']!r}",
        f"settings.PERFOPS = {{**settings.PERFOPS, **{BEATS!r}}}",
        "management.execute_from_command_line(['manage.py', 'analyze_db'])",
    ]
    started = programs.start(lines, tmp_path / "analysis.log")
    yield started
    programs.end(started)


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def heard_at():
    return Analysis.objects.values_list("heartbeat_at", flat=True).first()


def test_a_killed_process_loses_its_analysis_and_a_slow_one_keeps_it(process):
    with transaction.atomic():
        # Nobody can write a finding: the analysis stands still in its middle, and lives.
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE perfops_finding IN EXCLUSIVE MODE")
        wait_until(heard_at)
        began = heard_at()
        wait_until(lambda: heard_at() > began + timedelta(seconds=conf().LOST_AFTER_S * 1.5))
        assert lifecycle.reap() == 0
        assert process.poll() is None
    process.wait(PATIENCE_S)
    assert Analysis.objects.get().state == State.FINISHED


def test_kill_9_in_the_middle_is_lost_within_the_silence_allowed(process):
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE perfops_finding IN EXCLUSIVE MODE")
        wait_until(heard_at)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    assert Analysis.objects.get().state == State.RUNNING
    wait_until(lifecycle.reap)
    analysis = Analysis.objects.get()
    assert analysis.state == State.LOST
    assert analysis.worker.endswith(f":{process.pid}")
    assert "it died" in analysis.error
    assert lifecycle.reap() == 0


def test_what_no_worker_took_has_failed_and_can_not_be_taken_any_more():
    analysis = analyses.request_analysis()
    assert lifecycle.reap() == 0
    old = timezone.now() - timedelta(seconds=conf().QUEUE_TIMEOUT_S + 1)
    Analysis.objects.update(state=State.QUEUED, created_at=old)
    assert lifecycle.reap() == 1
    analysis.refresh_from_db()
    assert (analysis.state, "is one running?" in analysis.error) == (State.FAILED, True)
    with pytest.raises(analyses.CouldNotAnalyse, match="does not wait: it is failed"):
        analyses.analyse(analysis_id=analysis.pk)


def test_two_workers_do_not_take_the_same_analysis():
    analysis = Analysis.objects.create()
    assert lifecycle.claim(Analysis, analysis.pk)
    assert not lifecycle.claim(Analysis, analysis.pk)
