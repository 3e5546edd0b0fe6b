"""Counts reach the database, and identifiers are PostgreSQL's own."""

import os
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection

from perfops.analysis.collectors import origins
from perfops.database import connections as session
from perfops.models import QueryOrigin, QueryTemplate, ScopeTotal
from perfops.origins import flushing, ledger, queryid_of, selectors, store
from perfops.origins import statement_ids as identify
from perfops.tasks import expire_origins

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def statements():
    """Return a function: a statement's row in PostgreSQL's own statistics, by a word in it."""
    # Another worker's tests are in another database of the same server.
    own = "(SELECT oid FROM pg_database WHERE datname = current_database())"
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        cursor.execute(f"SELECT pg_stat_statements_reset(0, {own}, 0)")

    def rows(word):
        with session.reading("default") as cursor:
            cursor.execute(
                "SELECT queryid::text, sum(calls)::int FROM pg_stat_statements"
                f" WHERE dbid = {own} AND query LIKE %s AND query NOT LIKE '/* perfops%%'"
                " GROUP BY 1",
                [f"%{word}%"],
            )
            return dict(cursor.fetchall())

    return rows


def raw(sql, params=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


STATEMENTS = [
    ("SELECT a_word, %s FROM (VALUES (1)) AS v (a_word)", [5]),
    ("SELECT a_word FROM (VALUES (1)) AS v (a_word) WHERE a_word = %s", [2**40]),
    ("SELECT 1 AS a_word FROM auth_user WHERE date_joined > %s", [datetime.now(UTC)]),
    ("SELECT 1 AS a_word FROM auth_user WHERE date_joined::date = %s", [datetime.now(UTC).date()]),
    ("SELECT 1 AS a_word FROM auth_user WHERE id = ANY(%s)", [[1, 2, 3]]),
    ("SELECT 1 AS a_word FROM auth_user WHERE username LIKE %(x)s || '%%'", {"x": "a"}),
    ("SELECT 1 AS a_word FROM auth_user WHERE id = %s", ["7"]),
    ("SELECT 1 AS a_word, %s, %s, %s", [Decimal("1.5"), UUID(int=7), timedelta(1)]),
    ("WITH a_word AS (SELECT %s::int) SELECT * FROM a_word", [None]),
    ("UPDATE auth_user AS a_word SET first_name = '' WHERE is_staff = %s", [True]),
    ("SELECT 1 AS a_word WHERE 'x' IS DISTINCT FROM %s", ["y"]),
]


@pytest.mark.usefixtures("counting")
def test_every_statement_gets_the_id_that_pg_stat_statements_has(statements):
    for sql, params in STATEMENTS * 2:
        raw(sql, params)
    assert flushing.flush()
    theirs = statements("a_word")
    for sql, _ in STATEMENTS:
        (queryid,) = QueryTemplate.objects.get(text=sql).queryids
        assert theirs[queryid] == 2, sql
        assert queryid_of(sql) == queryid
        (share,) = selectors.shares(queryid)
        assert (share.calls, share.share) == (2, 1.0)


@pytest.mark.usefixtures("counting")
def test_parameters_of_another_type_give_a_second_id(statements):
    # Sightings are looked at when they double: each scope opens its own tally.
    for value in (1, 2**40):
        raw("SELECT a_word FROM (VALUES (1)) AS v (a_word) WHERE a_word = %s", [value])
        flushing.flush(ended=True)
    template = QueryTemplate.objects.get(text__contains="a_word")
    assert set(template.queryids) == set(statements("a_word"))
    assert len(template.queryids) == 2


@pytest.mark.usefixtures("counting")
def test_looking_for_ids_leaves_no_trace_in_the_statistics(statements):
    raw("SELECT 1 AS a_word, %s", ["secret"])
    flushing.flush()
    assert sum(statements("a_word").values()) == 1
    assert statements("EXPLAIN") == {}


@pytest.mark.usefixtures("counting")
def test_what_has_no_plan_has_no_id_and_is_counted():
    several = ["SET LOCAL work_mem = '5MB'", "SELECT 1; SELECT 2", "ANALYZE auth_group"]
    for sql in several:
        raw(sql)
    assert flushing.flush()
    for sql in several:
        template = QueryTemplate.objects.get(text=sql)
        assert template.queryids == []
        assert template.identified_at is not None
        assert queryid_of(sql) is None


def test_of_several_statements_in_one_none_is_run():
    with session.reading("default") as cursor:
        assert (
            identify.ask(cursor, "SELECT 1; SELECT set_config('a.b', 'run', false)", None) is None
        )
        cursor.execute("SELECT current_setting('a.b', true)")
        assert cursor.fetchone() == (None,)


@pytest.mark.usefixtures("counting")
def test_counts_of_a_minute_are_added_up():
    for _ in range(3):
        raw("SELECT 1 AS added_up")
        flushing.flush()
    # One row, or two where a minute ended meanwhile.
    rows = QueryOrigin.objects.filter(template__text="SELECT 1 AS added_up")
    assert rows.count() < 3
    assert sum(row.calls for row in rows) == 3
    assert {(row.kind, row.span) for row in rows} == {("process", "minute")}
    assert rows[0].site.startswith("tests/perfops/origins/test_storing.py:")


def test_the_shares_of_a_statement_are_those_of_its_own_database():
    """The same statement has the same id in both: since PostgreSQL 18 in every database."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    for database, calls in (("default", 1), ("second", 3)):
        template = QueryTemplate.objects.create(
            id=store.key(database, "SELECT 7"), database=database, text="SELECT 7",
            queryids=["7"], first_seen_at=now,
        )  # fmt: skip
        origin(template, now, span="minute", calls=calls)
    for database, calls in (("default", 1), ("second", 3)):
        (share,) = selectors.shares("7", database=database)
        assert (share.calls, share.share) == (calls, 1.0)
        (sent,) = origins.read(database, since=now.timestamp() - 60).origins
        assert sent.calls == calls


def test_since_minutes_ago_counts_nothing_of_before():
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    template = QueryTemplate.objects.create(
        id=7, database="default", text="SELECT 7", first_seen_at=now
    )
    origin(template, now - timedelta(minutes=7), span="minute", calls=100)
    origin(template, now - timedelta(minutes=2), span="minute", calls=3)
    (sent,) = origins.read("default", since=now.timestamp() - 300).origins
    assert sent.calls == 3
    (sent,) = origins.read("default", since=now.timestamp() - 600).origins
    assert sent.calls == 103


def test_minutes_become_hours_and_whole_requests_with_them():
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    template = QueryTemplate.objects.create(
        id=7, database="default", text="SELECT 7", first_seen_at=hour
    )
    for minute in (3, 4):
        at = hour + timedelta(minutes=minute)
        origin(template, at, span="minute", relation="a.B.c")
        ScopeTotal.objects.create(
            database="default", kind="request", name="GET /", span="minute", at=at, executions=2,
            calls=5, total_ms=1.5, max_calls_per_execution=minute, repeated_calls=0,
        )  # fmt: skip
    expire_origins()
    (row,) = QueryOrigin.objects.all()
    assert (row.span, row.at, row.calls, row.relation) == ("hour", hour, 4, "a.B.c")
    (whole,) = ScopeTotal.objects.all()
    assert (whole.span, whole.at, whole.executions, whole.calls) == ("hour", hour, 4, 10)
    assert whole.max_calls_per_execution == 4


@pytest.mark.usefixtures("counting")
def test_a_database_that_is_away_costs_no_count_and_one_line_of_log(monkeypatch, caplog):
    def away():
        raise OperationalError("the database is away")

    raw("SELECT 1 AS kept")
    with monkeypatch.context() as patch:
        patch.setattr(store, "writing", away)
        assert not flushing.flush()
        raw("SELECT 1 AS kept")
        assert not flushing.flush()
    assert [r.message for r in caplog.records] == [
        "query origins can't be written, they are kept in memory: the database is away"
    ]
    assert flushing.flush()
    assert QueryOrigin.objects.get(template__text="SELECT 1 AS kept").calls == 2


@pytest.mark.usefixtures("counting")
def test_with_nothing_to_write_the_database_is_left_alone(monkeypatch):
    monkeypatch.setattr(store, "writing", lambda: pytest.fail("it was asked"))
    assert flushing.flush(ended=True)


@pytest.mark.usefixtures("counting")
@pytest.mark.parametrize(
    ("command", "statement", "said"),
    [
        ("runserver", "INSERT INTO not_there_yet VALUES (1)", 0),
        ("migrate", f"INSERT INTO {QueryOrigin._meta.db_table} (not_there_yet) VALUES (1)", 0),
        ("runserver", f"INSERT INTO {QueryOrigin._meta.db_table} (not_there_yet) VALUES (1)", 1),
    ],
    ids=["before the first migration", "between two migrations", "without the last migration"],
)
def test_that_tables_are_not_migrated_yet_is_said_by_what_should_find_them(
    command, statement, said, monkeypatch, caplog
):
    raw("SELECT 1 AS early")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["manage.py", command])
        patch.setattr(flushing, "is_under_test", lambda: False)
        patch.setattr(store, "write", lambda cursor, rows: cursor.execute(statement))
        assert not flushing.flush()
    assert sum("can't be written" in each.message for each in caplog.records) == said
    assert flushing.flush()
    assert QueryOrigin.objects.get(template__text="SELECT 1 AS early").calls == 1


@pytest.mark.usefixtures("counting")
def test_a_child_begins_empty_and_the_parent_keeps_its_counts():
    raw("SELECT 1 AS before_fork")
    read, write = os.pipe()
    os.register_at_fork(after_in_child=lambda: None)
    pid = os.fork()
    if pid == 0:
        flushing._begin_anew()
        rows = ledger.take()
        os.write(write, str(len(rows)).encode() + b" " + str(flushing._thread).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 100) == b"0 None"
    os.close(read)
    os.close(write)
    flushing.flush()
    assert QueryOrigin.objects.get(template__text="SELECT 1 AS before_fork").calls == 1


def origin(template, at, **fields):
    given = {"calls": 2, "total_ms": 1.0, "rows": 1, "executions": 1, "max_calls_per_execution": 2}
    return QueryOrigin.objects.create(
        template=template, site="a.py:1", kind="request", name="GET /", at=at, **(given | fields)
    )


def test_hours_become_days_days_are_dropped_and_statements_without_any_with_them():
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    old = now.replace(hour=0) - timedelta(days=20)
    kept, gone = (
        QueryTemplate.objects.create(
            id=number, database="default", text=f"SELECT {number}", first_seen_at=old,
            sample=[["int", "1"]], sampled_at=old,
        )
        for number in (1, 2)
    )  # fmt: skip
    origin(kept, now)
    origin(kept, old + timedelta(hours=3))
    origin(kept, old + timedelta(hours=4), max_calls_per_execution=9, repeated_executions=1)
    origin(gone, now - timedelta(days=500), span="day")
    for _ in range(2):
        expire_origins()
    found = list(
        QueryOrigin.objects.order_by("at").values_list(
            "span", "at", "calls", "max_calls_per_execution", "repeated_executions"
        )
    )
    assert found == [("day", old, 4, 9, 1), ("hour", now, 2, 2, 0)]
    assert list(QueryTemplate.objects.values_list("id", "sample")) == [(1, None)]


def test_ageing_takes_few_rows_at_a_time_and_what_was_done_stays_done(monkeypatch):
    monkeypatch.setattr(store, "BATCH", 2)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    old = QueryTemplate.objects.create(id=1, database="default", text="a", first_seen_at=now)
    for n in range(7):
        origin(old, now - timedelta(days=500, hours=n), span="month")
    taken = []

    def limited(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if sql.startswith(f"{store.MARK} DELETE"):
            taken.append(context["cursor"].rowcount)
            if len(taken) == 2:
                raise OperationalError("the machine is stopped")
        return result

    writing = store.writing

    @contextmanager
    def stopped(**options):
        with writing(**options) as cursor:
            cursor.db.execute_wrappers.insert(0, limited)
            yield cursor

    with monkeypatch.context() as patch:
        patch.setattr(store, "writing", stopped)
        with pytest.raises(OperationalError):
            store.expire()
    assert taken == [2, 2]
    assert QueryOrigin.objects.count() == 3
    store.expire()
    assert not QueryOrigin.objects.exists()


@pytest.mark.usefixtures("counting")
def test_no_parameter_is_kept_unless_the_project_says_so(settings):
    raw("SELECT %s::int AS asked", [7])
    flushing.flush()
    assert QueryTemplate.objects.get(text__contains="asked").sample is None
    settings.PERFOPS = {**settings.PERFOPS, "SAMPLE_PARAMETERS": True}
    ledger._known.clear()
    raw("SELECT %s::int AS allowed", [7])
    raw("SELECT %s::text AS password", ["x"])
    flushing.flush()
    assert QueryTemplate.objects.get(text__contains="allowed").sample == [["int", "7"]]
    assert QueryTemplate.objects.get(text__contains="password").sample is None


@pytest.mark.usefixtures("counting")
def test_what_is_sent_while_a_flush_writes_is_stored_by_the_next_one(settings):
    settings.PERFOPS = {**settings.PERFOPS, "SAMPLE_PARAMETERS": True}
    text = "SELECT %s::int AS between_two"
    raw("SELECT 1 AS counted")
    assert ledger.admit("default", text, [7], many=False)
    assert flushing.flush()
    raw(text, [8])
    assert flushing.flush()
    stored = QueryTemplate.objects.get(text=text)
    assert (len(stored.queryids), stored.sample) == (1, [["int", "8"]])
    # A statement that found no room has no row ever: it is asked for no third time.
    ledger.admit("default", "SELECT 1 AS no_room", None, many=False)
    assert all(flushing.flush() for _ in range(2))
    assert not ledger.waiting()


def test_a_value_that_an_empty_text_is_not_still_gives_an_id():
    with session.reading("default") as cursor:
        assert identify.ask(cursor, "SELECT 1 FROM auth_user WHERE id = %s", [""]) is not None


def test_the_key_of_a_statement_tells_databases_apart():
    assert store.key("default", "SELECT 1") != store.key("other", "SELECT 1")
    assert User.objects.count() == 0


@pytest.mark.usefixtures("counting")
def test_a_statement_whose_table_was_locked_gets_its_id_at_the_next_flush(settings):
    settings.PERFOPS = {**settings.PERFOPS, "LOCK_TIMEOUT_MS": 50}
    locked, other = "SELECT 1 AS locked_one FROM auth_group", "SELECT 1 AS free_one"
    raw(locked)
    raw(other)
    holder = connection.copy()
    try:
        with holder.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE auth_group IN ACCESS EXCLUSIVE MODE")
            assert flushing.flush()
    finally:
        holder.close()
    assert queryid_of(locked) is None
    assert queryid_of(other) is not None
    assert flushing.flush()
    assert queryid_of(locked) is not None
