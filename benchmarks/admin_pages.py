"""Do perfops' pages stay quick over a year of use?

``python -m benchmarks.admin_pages`` makes 1,000 runs of 20 routes (the newest ten with their
seconds) and what was judged of them, three analyses a day, 2,000 findings, 500 statements with
their calls by hour, day and month, and asks for every page of the admin that one can look at. It
ends with 1 when one takes more than 300 ms (the median) or 20 queries.
"""

import argparse
import io
import os
import statistics
import sys
import time
from contextlib import redirect_stdout, suppress
from datetime import timedelta
from typing import Any

RUNS, ROUTES, SECONDS, DETAILED = 1000, 20, 420, 10
ANALYSES, FINDINGS, OPEN, STATEMENTS = 1095, 2000, 60, 500
ROUNDS = 7
_AT = "generate_series(date_trunc('day', now()) - make_interval(days => %s), now(), %s::interval)"
_ORIGINS = f"""
    INSERT INTO perfops_queryorigin (template_id, site, function, kind, name, span, at, calls,
        total_ms, rows, executions, max_calls_per_execution)
    SELECT t, 'shop/views.py:9', 'shelf', 'request', 'GET /' || t %% 20, 'hour', at, 10, t + 1,
        10, 2, 5 FROM generate_series(0, %s) AS t, {_AT} AS at ON CONFLICT DO NOTHING"""  # noqa: S608
_TOTALS = f"""
    INSERT INTO perfops_scopetotal (database, kind, name, span, at, executions, calls, total_ms,
        max_calls_per_execution, repeated_calls)
    SELECT 'default', 'request', 'GET /' || t, 'hour', at, 10, 50, 9, 5, 0
    FROM generate_series(0, 19) AS t, {_AT} AS at ON CONFLICT DO NOTHING"""  # noqa: S608
MOST_MS, MOST_QUERIES = 300, 20


def fill(*, runs: int = RUNS, routes: int = ROUTES, seconds: int = SECONDS) -> list[int]:
    """Make runs over a year, the newest ten with seconds; return the ids of the newest two."""
    from django.utils import timezone

    from perfops.models.runs import LoadRun, RouteResult, Sample
    from perfops.statistics.sketch import Sketch

    sketch = Sketch()
    for ms in range(1, 100):
        sketch.record(ms)
    measured: dict[str, Any] = {
        "requests": 100, "p50_ms": 4.0, "p95_ms": 9.0, "p99_ms": 12.0, "max_ms": 20.0,
        "scheduled_p95_ms": 9.5, "scheduled_p99_ms": 12.5, "sketch": sketch.encode(),
    }  # fmt: skip
    made = LoadRun.objects.bulk_create(_run() for _ in range(runs))
    now = timezone.now()
    for number, run in enumerate(made):
        run.created_at = now - timedelta(days=365) * (runs - 1 - number) / runs
    LoadRun.objects.bulk_update(made, ["created_at"], batch_size=500)
    names = ["", *(f"/api/v1/route-{n}/{{id}}" for n in range(routes))]
    RouteResult.objects.bulk_create(
        (RouteResult(run=run, route=name, **measured) for run in made for name in names),
        batch_size=1000,
    )
    Sample.objects.bulk_create(
        (
            Sample(run=run, route=name, second=second, vus=9, **measured)
            for run in made[-DETAILED:]
            for name in names
            for second in range(seconds)
        ),
        batch_size=1000,
    )
    return [made[-1].pk, made[-2].pk]


def _run() -> Any:
    from perfops.models.runs import LoadRun

    latency = {"mean": 5.0, "p50": 4.0, "p90": 8.0, "p95": 9.0, "p99": 12.0, "max": 20.0}
    return LoadRun(
        scenario="api-load", target="http://127.0.0.1:1", state="finished", verdict="pass",
        plan={"duration_s": 420, "requests": 200_000, "peak_rate": 1000},
        fingerprint={"k6": "k6 v1", "cores": 2, "scenario_hash": "x", "rows": {"t": 5000}},
        summary={
            "requests": 42_000, "errors": 0, "unreachable": 0, "error_rate": 0.0, "achieved": 1.0,
            "dropped": 0, "throughput": 100.0, "sustained_throughput": 100.0, "latency_ms": latency,
            "intended_latency_ms": latency, "cache_hits": 9, "cache_misses": 1,
            "cache_hit_rate": 0.9, "generator_cpu": 0.5, "peak_vus": 9, "p95_over_time": [9.0] * 40,
        },
        log="x" * 10_000,
    )  # fmt: skip


def fill_rest(
    runs: list[int],
    *,
    analyses: int = ANALYSES,
    findings: int = FINDINGS,
    statements: int = STATEMENTS,
    days: int = 365,
) -> None:
    """Make a year of all that is no load run; ``runs``: the newest, for what hangs on them."""
    from django.db import connection
    from django.utils import timezone

    from perfops.models import (
        Analysis,
        Budget,
        Evaluation,
        Finding,
        LoadRun,
        Occurrence,
        QueryTemplate,
        Recommendation,
        RunStatement,
        Waiver,
    )
    from perfops.origins import store

    now, year = timezone.now(), timedelta(days=days)
    Evaluation.objects.bulk_create(
        (
            Evaluation(budget=budget, run_id=run, outcome="met", value=1, target=1, threshold=1)
            for run in LoadRun.objects.values_list("pk", flat=True)
            for budget in Budget.objects.all()
        ),
        batch_size=1000,
    )
    Analysis.objects.bulk_create(
        Analysis(
            state="finished", created_at=now - year * n / analyses, counts={"warning": OPEN},
            finished_at=now - year * n / analyses,
        )
        for n in reversed(range(analyses))
    )  # fmt: skip
    last = Analysis.objects.latest("pk")
    evidence = [["calls", 9]] * 6
    found = Finding.objects.bulk_create(
        Finding(
            database="default", fingerprint=f"f{n}", advisor="seq_scans", object=f"public.t{n}",
            severity="warning", title=f"public.t{n} is read in full", evidence=evidence,
            why="w" * 300, remedy="r" * 300, first_seen_at=now - year, last_seen_at=now,
            status="open" if n < OPEN else "resolved", resolved_at=None if n < OPEN else now,
            last_analysis=last,
        )
        for n in range(findings)
    )  # fmt: skip
    Occurrence.objects.bulk_create(
        (
            Occurrence(analysis=each, finding=finding, severity="warning", evidence=evidence)
            for each in Analysis.objects.order_by("-pk")[:100]
            for finding in found[:OPEN]
        ),
        batch_size=1000,
    )
    Recommendation.objects.create(
        finding=found[1], kind="add", index_schema="public", index_name="x", unit="ms", gain=0.9,
        proof="rehearsed on a copy", app_label="shop", migration_name="0007_add_x",
        migration="class Migration: ...", effects=[],
    )  # fmt: skip
    Waiver.objects.bulk_create(
        Waiver(budget="p95 latency", reason="x", ends_at=now - year * n / 100) for n in range(100)
    )
    QueryTemplate.objects.bulk_create(
        QueryTemplate(id=n, database="default", text=f"SELECT {n}", first_seen_at=now)
        for n in range(statements)
    )
    RunStatement.objects.bulk_create(
        RunStatement(
            run_id=run, template_id=n, site="shop/views.py:9", function="shelf",
            name=f"GET /api/v1/route-{n % ROUTES}/{{id}}", calls=1000, total_ms=900, rows=1000,
            executions=1000, max_calls_per_execution=1, repeated_executions=0, repeated_calls=0,
        )
        for run in runs
        for n in range(min(200, statements))
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        # Each hour of the last days, each day before them; the nightly folding makes months.
        for step, span in (("1 hour", min(14, days)), ("1 day", days)):
            cursor.execute(_ORIGINS, [statements - 1, span, step])
            cursor.execute(_TOTALS, [span, step])
    store.expire()


def analyze_twice() -> None:
    """Make two analyses of the real kind: they end with 1 for what they find in this database."""
    from django.core.management import call_command

    for _ in range(2):
        with suppress(SystemExit), redirect_stdout(io.StringIO()):
            call_command("analyze_db")


def pages(newest: int, before: int) -> dict[str, str]:
    """Return the addresses of all pages of perfops that one can look at, by name."""
    from django.urls import reverse
    from django_celery_beat.models import PeriodicTask

    from perfops.models import Analysis, Budget, Finding, QueryTemplate, ScopeTotal, Waiver

    schedule = PeriodicTask.objects.filter(crontab__isnull=False).earliest("pk").pk
    analyses = list(Analysis.objects.order_by("-pk").values_list("pk", flat=True)[:2])
    rows = {
        "analysis": analyses[0],
        "budget": Budget.objects.earliest("pk").pk,
        "finding": Finding.objects.filter(fingerprint="f1").get().pk,
        "loadrun": newest,
        "querytemplate": QueryTemplate.objects.get(pk=7).pk,
        "scopetotal": ScopeTotal.objects.latest("at").pk,
        "waiver": Waiver.objects.latest("pk").pk,
    }

    def of(name: str, *keys: int | str) -> str:
        return reverse(f"admin:{name}", args=keys)

    found = {each: of(each) for each in ("index", "cache", "tasks")}
    for model, key in rows.items():
        found[f"{model} list"] = of(f"perfops_{model}_changelist")
        found[f"{model} page"] = of(f"perfops_{model}_change", key)
        found[f"{model} history"] = of(f"perfops_{model}_history", key)
    for model in ("budget", "waiver"):
        found[f"{model} add"] = of(f"perfops_{model}_add")
    for model in ("analysis", "budget", "finding", "loadrun", "querytemplate"):
        found[f"{model} delete"] = of(f"perfops_{model}_delete", rows[model])
    return {
        **found,
        "landing page": "/",
        "models": of("app_list", "perfops"),
        "schedules list": of("django_celery_beat_periodictask_changelist"),
        "schedule page": of("django_celery_beat_periodictask_change", schedule),
        "capacity": of("perfops_analysis_capacity"),
        "migration": of("perfops_finding_migration", rows["finding"]),
        "queries of a year": f"{found['querytemplate list']}?window=year",
        "findings, all": f"{found['finding list']}?status=all",
        "analysis tables": of("perfops_analysis_tables", analyses[0]),
        "analysis indexes": of("perfops_analysis_indexes", analyses[0]),
        "analysis difference": of("perfops_analysis_difference", *analyses),
        "connections": of("perfops_analysis_now"),
        "connections live": of("perfops_analysis_now_live"),
        "session": of("perfops_analysis_session", 1),
        "budget runs": of("perfops_budget_runs", rows["budget"]),
        "pipeline": of("perfops_pipeline"),
        "search": f"{of('perfops_search')}?q=route",
        "run live": of("perfops_loadrun_live", newest),
        "run start": of("perfops_loadrun_start"),
        "run compare": f"{of('perfops_loadrun_compare', newest)}?with={before}",
    }


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    from benchmarks import databases

    with databases.server() as server_url:
        databases.drop(server_url, "admin_pages")
        url = databases.make(server_url, "admin_pages")
        databases.manage(url, "migrate", "--verbosity=0")
        os.environ.update(databases.environment(url))
        try:
            return _measure()
        finally:
            from django.db import connections

            connections.close_all()
            databases.drop(server_url, "admin_pages")


def _measure() -> int:
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.create_superuser("chief"))
    newest, before = fill()
    fill_rest([newest, before])
    analyze_twice()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    worst = False
    for name, path in pages(newest, before).items():
        times = []
        for _ in range(ROUNDS + 1):
            start = time.perf_counter()
            with CaptureQueriesContext(connection) as queries:
                answer = client.get(path)
            times.append((time.perf_counter() - start) * 1000)
            if answer.status_code != 200:
                raise RuntimeError(f"{path} answered {answer.status_code}")
        # The first one compiles templates.
        median = statistics.median(times[1:])
        print(f"{name:<24}{median:8.0f} ms  (to {max(times[1:]):.0f}) {len(queries):4} queries")
        worst |= median > MOST_MS or len(queries) > MOST_QUERIES
    return int(worst)


if __name__ == "__main__":
    sys.exit(main())
