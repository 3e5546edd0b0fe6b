"""Break a running Midst in eight ways, to see whether each cause is found from the overview.

    python examples/break_system.py                 all of them, until Enter
    python examples/break_system.py cold_cache      one, or several

Everything is undone at the end. What to look at: docs/finding-causes.md. Never on a system in use.
"""

import os
import signal
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import psutil
import psycopg

APPLICATION = "forgotten-pool"
HOLDER, WAITER = "night-report", "sign-up"
INDEX = "taxonomy_mask_ontology"
PATH = "people-with-their-types"


@contextmanager
def dropped_index():
    """An index that a model declares is gone."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_indexdef(%s::regclass)", [INDEX])
        (made_by,) = cursor.fetchone()
        cursor.execute(f"DROP INDEX {INDEX}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(made_by)


def people_with_their_types(request):
    """A view that asks once more for each row."""
    from django.contrib.auth.models import Permission
    from django.http import JsonResponse

    found = Permission.objects.order_by("pk")[:40]
    return JsonResponse({each.codename: each.content_type.model for each in found})


@contextmanager
def n_plus_one():
    """Requests that send one statement for each row of another; they stay in the history."""
    from django.test import Client, override_settings
    from django.urls import path

    from perfops.origins import flushing

    class Addresses:
        urlpatterns = [path(PATH, people_with_their_types)]

    with override_settings(ROOT_URLCONF=Addresses, ALLOWED_HOSTS=["*"]):
        client = Client()
        for _ in range(10):
            client.get(f"/{PATH}").json()
    flushing.flush()
    yield


@contextmanager
def cold_cache():
    """Somebody has cleared every region."""
    from midst.kernel.cache.regions import all_regions
    from midst.operations.cache_page import clearing

    for region in all_regions():
        clearing.clear_region(region, by="deploy-script")
    yield


@contextmanager
def full_pool(most=None):
    """Connections that nobody gives back; ``most``: how many, by default all but three."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('max_connections')::int"
            " - current_setting('superuser_reserved_connections')::int"
            " - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
        )
        (free,) = cursor.fetchone()
    with ExitStack() as taken:
        for _ in range(max(0, free - 3) if most is None else most):
            taken.enter_context(_connected(APPLICATION))
        yield


@contextmanager
def blocked_sessions():
    """A report holds a row in an open transaction, and two sessions want it."""
    update = "UPDATE auth_group SET name = name WHERE name = 'performance viewer'"

    def wait():
        with suppress(psycopg.Error), _connected(WAITER) as waiter:
            waiter.execute("BEGIN")
            waiter.execute(update)
            waiter.execute("ROLLBACK")

    with _connected(HOLDER) as holder:
        holder.execute("BEGIN")
        holder.execute(update)
        waiters = [threading.Thread(target=wait) for _ in range(2)]
        for each in waiters:
            each.start()
        try:
            yield
        finally:
            holder.execute("ROLLBACK")
            for each in waiters:
                each.join()


@contextmanager
def expired_waiver():
    """A budget is broken, as before; the waiver for it ended yesterday."""
    from django.utils import timezone

    from perfops.conf import conf
    from perfops.models import Budget, Evaluation, LoadRun
    from perfops.models.decisions import Waiver

    budget = Budget.objects.get(metric="latency_p95", route="")
    now, value = timezone.now(), 3 * budget.threshold
    latency = {"mean": value / 2, "p50": value / 2, "p90": value, "p95": value, "p99": value,
               "max": value}  # fmt: skip
    run = LoadRun.objects.create(
        scenario="smoke", target=conf().DEFAULT_TARGET, state="finished", verdict="fail",
        reasons=[f"{budget} is three times what it may be."],
        plan={"duration_s": 60, "requests": 6000, "peak_rate": 100},
        summary={
            "requests": 6000, "errors": 0, "unreachable": 0, "error_rate": 0.0, "achieved": 1.0,
            "dropped": 0, "throughput": 100.0, "sustained_throughput": 100.0,
            "latency_ms": latency, "intended_latency_ms": latency, "cache_hits": 9,
            "cache_misses": 1, "cache_hit_rate": 0.9, "generator_cpu": 0.5, "peak_vus": 9,
            "p95_over_time": [value] * 10,
        },
    )  # fmt: skip
    Evaluation.objects.create(
        budget=budget, run=run, metric=budget.metric, action=budget.action, outcome="violated",
        value=value, target=budget.target, threshold=budget.threshold,
    )  # fmt: skip
    waiver = Waiver.objects.create(
        budget=str(budget), reason="the new search is not tuned yet", ends_at=now
    )
    Waiver.objects.filter(pk=waiver.pk).update(
        created_at=now - timedelta(days=8), ends_at=now - timedelta(days=1)
    )
    try:
        yield
    finally:
        run.delete()
        waiver.delete()


@contextmanager
def dead_worker():
    """The worker of `make run` stands still."""
    with _stopped("worker"):
        yield


@contextmanager
def stale_beat():
    """Beat of `make run` stands still, and has for forty days by its schedules."""
    from django.db.models import F
    from django_celery_beat.models import PeriodicTask

    from perfops.models.schedules import ScheduleOutcome

    def move(by):
        PeriodicTask.objects.update(
            last_run_at=F("last_run_at") + by, date_changed=F("date_changed") + by
        )
        # What was sent so long ago has ended so long ago.
        ScheduleOutcome.objects.update(ended_at=F("ended_at") + by)

    since = timedelta(days=40)
    with _stopped("beat"):
        move(-since)
        try:
            yield
        finally:
            move(since)


CAUSES = {
    each.__name__: each
    for each in (
        dropped_index, n_plus_one, cold_cache, full_pool, blocked_sessions, expired_waiver,
        dead_worker, stale_beat,
    )
}  # fmt: skip


@contextmanager
def _connected(application):
    from django.db import connection

    wanted = {**connection.get_connection_params(), "application_name": application}
    names = ("dbname", "user", "password", "host", "port", "application_name", "sslmode")
    given = {name: value for name, value in wanted.items() if name in names and value}
    with psycopg.connect(**given, autocommit=True) as made:
        yield made


@contextmanager
def _stopped(name):
    """Processes of `make run` stand still; elsewhere, stop them by the means of the place."""
    from midst.stack import process, state

    found = []
    for child in process.remembered(state.PROCESSES):
        if child.name == name and child.is_running():
            leader = psutil.Process(child.pid)
            found += [leader, *leader.children(recursive=True)]
    for each in found:
        each.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for each in found:
            with suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGCONT)


def main(names):
    unknown = sorted(set(names) - set(CAUSES))
    if unknown:
        print(f"There is no {', '.join(unknown)}. There are: {', '.join(CAUSES)}.")
        return 2
    import django
    from django.conf import settings

    django.setup()
    from perfops.analysis.services import analyse

    with ExitStack() as broken:
        # The pool last: an analysis and the others need connections themselves.
        for name in sorted(names or CAUSES, key=lambda each: each == "full_pool"):
            if name == "full_pool":
                analyse()
            broken.enter_context(CAUSES[name]())
            print(f"broken: {CAUSES[name].__doc__.splitlines()[0]}", flush=True)
        if "full_pool" not in (names or CAUSES):
            analyse()
        target = settings.PERFOPS["DEFAULT_TARGET"]
        print(f"Begin at {target}/admin/. Signs of life are missed after two minutes.")
        with suppress(EOFError, KeyboardInterrupt):
            input("Enter undoes everything: ")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "midst.settings.dev")
    sys.exit(main(sys.argv[1:]))
