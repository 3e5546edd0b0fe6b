"""perfops looks at itself as it looks at others: its own tasks repeat no statement row by row."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from perfops import tasks
from perfops.analysis import services as analyses
from perfops.analysis.advisors import n_plus_one
from perfops.analysis.plans import explain
from perfops.database import connections as session
from perfops.models import QueryOrigin, QueryPlan, QueryTemplate
from perfops.origins import flushing, scope, store
from tests.perfops.clusters import tell_counters

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
_MANY = 12


@pytest.fixture
def statements():
    """Many statements with plans of their own to watch."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE own_work (id int PRIMARY KEY, n int)")
    for number in range(_MANY):
        text = f"SELECT {number}, * FROM own_work WHERE id = %s"
        template = QueryTemplate.objects.create(
            id=store.key("default", text), database="default", text=text,
            queryids=[str(number), f"1{number:03}"], first_seen_at=timezone.now(),
        )  # fmt: skip
        QueryOrigin.objects.create(
            template=template, kind="request", name="GET /", calls=9, total_ms=5.0, rows=4,
            at=timezone.now() - timedelta(hours=1), executions=3, max_calls_per_execution=3,
        )  # fmt: skip
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE own_work")


@pytest.mark.usefixtures("statements", "counting")
def test_our_own_tasks_send_no_statement_for_each_row():
    for work in (tasks.watch_plans, tasks.watch_plans, tasks.take_snapshot, tasks.expire_origins):
        run(work)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE own_work DROP CONSTRAINT own_work_pkey")
    run(tasks.watch_plans)
    assert QueryPlan.objects.exclude(causes=[]).count() == 2 * _MANY
    run(tasks.analyse_database)
    assert flushing.flush()
    assert QueryOrigin.objects.filter(kind="task", site__startswith="perfops/").exists()
    issues = analyses.analyse(store=False, only=[n_plus_one.ID]).issues
    assert [issue.title for issue in issues] == []


@pytest.fixture
def unused_index():
    """An index that no statement has used: planning reads its end to know the largest value."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        cursor.execute("CREATE TABLE own_unused AS SELECT n, n %% 7 AS kind FROM"
                       " generate_series(1, 6000) n", [])  # fmt: skip
        cursor.execute("CREATE INDEX own_unused_n ON own_unused (n)")
        cursor.execute("ANALYZE own_unused")
        for _ in range(20):
            cursor.execute("SELECT count(*) FROM own_unused WHERE kind = 3 AND n > 5999")
        tell_counters(cursor)
        cursor.execute("SELECT pg_stat_reset_single_table_counters('own_unused_n'::regclass)")
    yield "own_unused_n"
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE own_unused")


@pytest.mark.slow
def test_an_index_stays_unused_however_often_we_analyse_and_plan(unused_index):
    for _ in range(2):
        analyses.analyse()
    with session.reading("default") as cursor:
        for _ in range(3):
            explain.with_values(cursor, "SELECT * FROM own_unused WHERE n > %s", [5999])
    with connection.cursor() as cursor:
        tell_counters(cursor)
        cursor.execute(
            "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = %s", [unused_index]
        )
        assert cursor.fetchone() == (0,)


def run(task):
    """As a worker would, in a scope of its own."""
    work = scope.Scope("task", lambda: task.name)
    token = scope.begin(work)
    task()
    scope.end(work, token)
