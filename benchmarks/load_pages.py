"""Do the pages of load runs stay quick over a year of runs?

``python -m benchmarks.load_pages`` makes 1,000 runs of 20 routes, the newest ten with their
seconds, and asks for the list, the page of a run and its comparison. It ends with 1 when one takes
more than 300 ms (the median) or 20 queries.
"""

import os
import statistics
import sys
import time
from datetime import timedelta
from typing import Any

RUNS, ROUTES, SECONDS, DETAILED = 1000, 20, 420, 10
ROUNDS = 15
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


def asked(newest: int, before: int) -> dict[str, str]:
    """Return the addresses of the pages."""
    from django.urls import reverse

    return {
        "list": reverse("admin:perfops_loadrun_changelist"),
        "detail": reverse("admin:perfops_loadrun_change", args=[newest]),
        "compare": f"{reverse('admin:perfops_loadrun_compare', args=[newest])}?with={before}",
    }


def main() -> int:
    from benchmarks import databases

    with databases.server() as server_url:
        databases.drop(server_url, "load_pages")
        url = databases.make(server_url, "load_pages")
        databases.manage(url, "migrate", "--verbosity=0")
        os.environ.update(databases.environment(url))
        try:
            return _measure()
        finally:
            from django.db import connections

            connections.close_all()
            databases.drop(server_url, "load_pages")


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
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    worst = False
    for name, path in asked(newest, before).items():
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
        print(f"{name:<10}{median:8.0f} ms  (to {max(times[1:]):.0f}) {len(queries):4} queries")
        worst |= median > MOST_MS or len(queries) > MOST_QUERIES
    return int(worst)


if __name__ == "__main__":
    sys.exit(main())
