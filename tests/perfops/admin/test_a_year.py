"""The lists over a year of use: what they read follows the window and the page, not the year."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from benchmarks import admin_pages
from perfops.analysis import queries, snapshots
from perfops.analysis.collectors import snapshot
from perfops.conf import conf
from perfops.models import (
    Analysis,
    Budget,
    Evaluation,
    Finding,
    LoadRun,
    QueryOrigin,
    QueryTemplate,
)
from perfops.origins import store
from tests.explain import rows_read

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
STATEMENTS, LINES, DAYS = 150, 1, 365
ORIGINS = QueryOrigin._meta.db_table
MOST_QUERIES = 10


@pytest.fixture
def year():
    """As the flushes and the nightly folding leave it; how many rows there were before."""
    now = timezone.now()
    QueryTemplate.objects.bulk_create(
        QueryTemplate(id=n, database="default", text=f"SELECT {n} AS n", first_seen_at=now)
        for n in range(STATEMENTS)
    )
    with connection.cursor() as cursor:
        for every, span in (("hour", conf().KEEP_ORIGIN_HOURS_DAYS), ("day", DAYS)):
            cursor.execute(
                f"INSERT INTO {ORIGINS} (template_id, site, function, kind, name, span, at, calls,"
                " total_ms, rows, executions, max_calls_per_execution)"
                " SELECT t, 'shop/views.py:' || line, 'shelf', 'request', 'GET /' || t, 'hour', at,"
                " 10, t + 1, 10, 2, 5 FROM generate_series(0, %s) AS t,"
                " generate_series(1, %s) AS line, generate_series(date_trunc('hour', now())"
                " - make_interval(days => %s), now(), make_interval(0, 0, 0, %s, %s)) AS at"
                " ON CONFLICT DO NOTHING",
                [STATEMENTS - 1, LINES, span, int(every == "day"), int(every == "hour")],
            )
        made = QueryOrigin.objects.count()
        store.expire()
        cursor.execute(f"VACUUM ANALYZE {ORIGINS}")
    return made


def ask(client, name, **asked):
    """The page, and the statements it took."""
    with CaptureQueriesContext(connection) as found:
        answer = client.get(reverse(f"admin:perfops_{name}_changelist"), asked)
    assert answer.status_code == 200
    return answer.content.decode(), [each["sql"] for each in found]


@pytest.mark.slow
def test_days_become_months_and_nothing_is_lost(year):
    assert set(QueryOrigin.objects.values_list("span", flat=True)) == {"hour", "day", "month"}
    assert QueryOrigin.objects.count() < 0.6 * year
    sums = queries.sent(since=queries.begin(10 * DAYS))
    assert sums[7].calls == 10 * year // STATEMENTS
    (trend,) = queries.trends([7], since=queries.begin(DAYS), until=timezone.now()).values()
    assert all(point.calls for point in trend)
    assert len(trend) in {12, 13}


@pytest.mark.slow
@pytest.mark.usefixtures("year")
def test_the_queries_of_a_day_read_little_more_than_that_day(admin_client):
    in_window = QueryOrigin.objects.filter(at__gte=queries.begin(1)).count()
    for asked in ({}, {"database": "default"}, {"p": "2"}, {"q": "GET /77"}):
        page, statements = ask(admin_client, "querytemplate", **asked)
        assert "AS n" in page
        assert len(statements) <= MOST_QUERIES
        # Once for the order, once for the search; and those of the page's 20 rows twice.
        assert rows_read(statements, ORIGINS) <= 3 * in_window, asked


@pytest.mark.slow
@pytest.mark.usefixtures("year")
def test_the_queries_of_a_year_add_up_every_count_once(admin_client):
    everything = QueryOrigin.objects.count()
    of_a_page = everything * 20 / STATEMENTS
    for asked, looks in (({}, 1), ({"q": "GET /77"}, 2)):
        page, statements = ask(admin_client, "querytemplate", window="year", **asked)
        assert "AS n" in page
        assert rows_read(statements, ORIGINS) <= looks * everything + 2 * of_a_page


def test_lists_read_no_wide_field_and_take_few_queries(admin_client):
    now = timezone.now()
    run_fields = {"scenario": "smoke", "target": "http://127.0.0.1:1", "state": "finished"}
    runs = LoadRun.objects.bulk_create(LoadRun(log="x", **run_fields) for _ in range(200))
    budget = Budget.objects.earliest("id")
    Evaluation.objects.bulk_create(
        Evaluation(budget=budget, run=run, outcome="met", value=1, target=1, threshold=1)
        for run in runs
    )
    Analysis.objects.bulk_create(Analysis(state="finished") for _ in range(200))
    Finding.objects.bulk_create(
        Finding(
            database="default", fingerprint=str(n), advisor="growth", severity="info",
            object=str(n), title=f"number {n}", why="", remedy="", first_seen_at=now,
            last_seen_at=now - timedelta(hours=n),
        )
        for n in range(200)
    )  # fmt: skip
    wide = {"loadrun": "log", "analysis": "missing", "finding": "evidence", "budget": "log"}
    for name, field in wide.items():
        _, statements = ask(admin_client, name)
        assert len(statements) <= MOST_QUERIES
        assert f'"{field}"' not in " ".join(statements), name


def test_no_page_takes_more_than_twenty_queries(admin_client):
    """`benchmarks.admin_pages` says what the same pages take in time, over a year."""
    newest = admin_pages.fill(runs=12, routes=20, seconds=5)
    admin_pages.fill_rest(newest, analyses=10, findings=30, statements=30, days=20)
    for analysis in Analysis.objects.order_by("-pk")[:2]:
        snapshots.keep(snapshot.take(light=True), database="default", texts=0, analysis=analysis)
    taken, refused = {}, {}
    for name, path in admin_pages.pages(*newest).items():
        with CaptureQueriesContext(connection) as found:
            answer = admin_client.get(path)
        taken[name] = len(found)
        if answer.status_code != 200:
            refused[name] = answer.status_code
    assert refused == {}
    assert {name: each for name, each in taken.items() if each > admin_pages.MOST_QUERIES} == {}


def test_the_latest_judgement_of_a_budget_is_found_by_the_index(admin_client):
    fields = {"scenario": "smoke", "target": "http://127.0.0.1:1", "state": "finished"}
    runs = LoadRun.objects.bulk_create(LoadRun(**fields) for _ in range(500))
    Evaluation.objects.bulk_create(
        Evaluation(budget=budget, run=run, outcome="met", value=1, target=1, threshold=1)
        for run in runs
        for budget in Budget.objects.all()
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE perfops_evaluation")
    page, statements = ask(admin_client, "budget")
    assert f"(run {runs[-1].pk})" in page
    assert rows_read(statements, "perfops_evaluation") <= 2 * Budget.objects.count()
