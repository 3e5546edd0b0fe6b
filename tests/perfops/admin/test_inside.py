"""Pages of tables, indexes, sessions and differences: whole when full, empty and broken."""

import json
import re
from datetime import timedelta

import msgspec
import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError, connection
from django.urls import reverse
from django.utils import timezone

from perfops.admin import analysis_pages
from perfops.admin.columns import of_tables
from perfops.analysis import differences as inside
from perfops.analysis import findings, snapshots
from perfops.analysis import sessions as present
from perfops.analysis.advisors import slow_queries
from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.records import Database, Index, Server, Statement, Table
from perfops.analysis.collectors.snapshot import Snapshot
from perfops.analysis.collectors.states import Session, Setting
from perfops.analysis.services import Report
from perfops.conf import Conf
from perfops.management.formats import renderers
from perfops.models import Analysis, Finding, QueryOrigin, QueryTemplate, StoredSnapshot
from tests.perfops.clusters import until

pytestmark = pytest.mark.django_db
MOST_QUERIES = 20
SERVER = Server(180000, "18.0", "midst", "midst", started_at=0.0, now=0.0)


def url(name, *arguments):
    return reverse(f"admin:perfops_analysis_{name}", args=arguments)


def look(at, *, calls, mean_ms, tables=60):
    return Snapshot(
        taken_at=at,
        server=SERVER,
        database=Database(100, 0, calls, 0, 0, 0, reset_at=None, bytes=10**9),
        statements=(
            Statement("1", "SELECT <one>", calls, calls * mean_ms, calls, 0, 0, 0, 0),
            *([Statement("2", "SELECT new", 5, 1.0, 5, 0, 0, 0, 0)] if calls > 10 else []),
        ),
        tables=tuple(
            Table("public", f"table_{n:02}", n, n * 1024 + calls, 0, 0, 0, 0, 0)
            for n in range(tables)
        ),
        indexes=(
            Index("public", "table_01", "an_index", "CREATE INDEX <x>", (1,), 8192, 3, None, 9, 1,
                  has_duty=False, is_partial=False),
        ),
        settings=(Setting("work_mem", str(calls), "kB", "file"),),
    )  # fmt: skip


@pytest.fixture
def two():
    """An earlier and a later analysis, an hour apart, with a finding each and one in both."""
    stay, gone, new = (DetectedIssue("growth", name, "info", name, "why", "do") for name in "abc")
    analyses = []
    for number, seen in enumerate(([stay, gone], [msgspec_changed(stay), new])):
        analysis = Analysis.objects.create(
            state="finished", baseline=analyses[0] if analyses else None, window_s=3600.0,
            covered=0.5, notes=["pg_stat_database was reset within the window"],
        )  # fmt: skip
        taken = look(3600.0 * (number + 1), calls=10 + 90 * number, mean_ms=1.0 + 9 * number)
        snapshots.keep(taken, database="default", texts=100, analysis=analysis)
        findings.record(analysis, seen)
        analyses.append(analysis)
    return analyses


def msgspec_changed(advice):
    return DetectedIssue(advice.advisor, advice.object, "error", advice.title, "why", "do")


def test_tables_are_sorted_searched_and_paged(admin_client, two, django_assert_max_num_queries):
    with django_assert_max_num_queries(MOST_QUERIES):
        page = admin_client.get(url("tables", two[1].pk)).content.decode()
    assert "60 found" in page
    assert "page 1 of 2" in page
    assert page.index("table_59") < page.index("table_40")
    assert "table_05" not in page
    assert "table_05" in admin_client.get(url("tables", two[1].pk) + "?p=2").content.decode()
    upside = admin_client.get(url("tables", two[1].pk) + "?o=-size").content.decode()
    assert upside.index("table_00") < upside.index("table_40")
    found = admin_client.get(url("tables", two[1].pk) + "?q=E_07").content.decode()
    assert "1 found" in found
    none = admin_client.get(url("tables", two[1].pk) + "?q=<x>&o=nonsense&p=99").content.decode()
    assert "There is none with “&lt;x&gt;”." in none


def test_partitions_are_summed_under_their_table_and_unfold_below_it(admin_client):
    whole = Table("public", "event", 0, 0, 0, 0, 0, 0, 0, oid=1, is_leaf=False)
    parts = [
        Table("public", f"event_{year}", 30 * n, n * 1024**2, 2 * n, 10, n, 0, 0, oid=10 + n,
              dead=n, partition_of=1, vacuumed_at=100.0 * n)
        for n, year in enumerate((2024, 2025), 1)
    ]  # fmt: skip
    analysis = Analysis.objects.create(state="finished", window_s=3600.0)
    taken = msgspec.structs.replace(
        look(3600.0, calls=1, mean_ms=1.0, tables=1), tables=(whole, *parts)
    )
    snapshots.keep(taken, database="default", texts=100, analysis=analysis)
    page = admin_client.get(url("tables", analysis.pk)).content.decode()
    assert "1 found" in page
    assert "2 partitions" in page
    assert "event_2024" not in page
    for figure in ("3.0 MB", ">90<", ">6<", ">3<"):
        assert figure in page
    opened = admin_client.get(url("tables", analysis.pk) + "?open=public.event").content.decode()
    assert opened.index("2 partitions") < opened.index("event_2024") < opened.index("event_2025")
    # One that is looked for is found with the table that it is a part of.
    assert "1 found" in admin_client.get(url("tables", analysis.pk) + "?q=_2025").content.decode()


def test_indexes_are_shown_with_what_they_are_for(admin_client, two):
    page = admin_client.get(url("indexes", two[0].pk)).content.decode()
    for part in ("public.an_index", "CREATE INDEX &lt;x&gt;", "90.0%", "reads"):
        assert part in page


def test_the_difference_names_what_came_went_and_changed(
    admin_client, two, django_assert_max_num_queries
):
    with django_assert_max_num_queries(MOST_QUERIES):
        page = admin_client.get(url("difference", two[1].pk, two[0].pk)).content.decode()
    for part in ("was info", "gone", "new", "SELECT &lt;one&gt;", "SELECT new", "10 → 100"):
        assert part in page
    found = inside.between(two[0], two[1])
    (slower,) = found.slower
    # 10 calls of 1 ms, then 90 that took 990 ms.
    assert (slower.before_ms, slower.after_ms) == (1.0, pytest.approx(11.0))
    assert found.quicker == []


def test_a_statement_that_became_quicker_is_said_to_be_so_many_times_quicker():
    statement = Statement("1", "SELECT 1", 10, 10.0, 0, 0, 0, 0, 0)
    factors = [
        analysis_pages._slower(inside.Slower(statement, before, after), {})["factor"]
        for before, after in ((36.0, 1.0), (1.0, 11.0))
    ]
    assert factors == ["36.0 times quicker", "11.0 times slower"]


def test_a_statements_share_of_the_databases_time_is_that_of_the_newest_analysis(admin_client, two):
    known = QueryTemplate.objects.create(
        id=7, database="default", text="SELECT one", queryids=["2"], first_seen_at=two[0].created_at
    )
    page = admin_client.get(reverse("admin:perfops_querytemplate_change", args=[known.pk]))
    # 1 ms of 991 in the hour between the two.
    assert f"0.1% in analysis {two[1].pk}" in page.content.decode()


def test_all_pages_and_reports_have_the_same_figures_of_a_statement(admin_client, two):
    """The statement took 990 ms of the 1764 of all, its own, the new one's 1 and another's 773; the
    project sent one more, of which PostgreSQL's statistics don't know."""
    later, at = two[1], two[1].created_at
    taken = look(7200.0, calls=100, mean_ms=10.0)
    other = Statement("3", "SELECT 3 AS other", 10, 773.0, 10, 0, 0, 0, 0)
    taken = msgspec.structs.replace(taken, statements=(*taken.statements, other))
    StoredSnapshot.objects.filter(analysis=later).delete()
    snapshots.keep(taken, database="default", texts=100, analysis=later)
    window = inside.window_of(later)
    found = slow_queries.run(window, Conf(SLOW_MEAN_MS=11.0, SLOW_MEAN_ERROR_MS=12.0))
    report = Report("default", window, found, frozenset(), later.pk)
    findings.record(later, found, incidents=report.all_incidents)
    known = QueryTemplate.objects.create(
        id=8,
        database="default",
        text="SELECT <one>",
        queryids=["1"],
        first_seen_at=at,
    )
    beside = QueryTemplate.objects.create(
        id=9,
        database="default",
        text="SELECT beside",
        queryids=["9"],
        first_seen_at=at,
    )
    for template, ms in ((known, 990.0), (beside, 4000.0)):
        QueryOrigin.objects.create(
            template=template, site="shop/views.py:7", function="shelf", kind="request", at=at,
            name="GET /", calls=90, total_ms=ms, rows=90, executions=90,
            max_calls_per_execution=1,
        )  # fmt: skip
    (finding,) = [each for each in found if each.queryids == ("1",)]
    stored = Finding.objects.get(fingerprint=finding.fingerprint)
    pages = {
        "the list": reverse("admin:perfops_querytemplate_changelist"),
        "the statement": reverse("admin:perfops_querytemplate_change", args=[known.pk]),
        "the analysis": reverse("admin:perfops_analysis_change", args=[later.pk]),
        "the finding": reverse("admin:perfops_finding_change", args=[stored.pk]),
    }
    texts = {name: admin_client.get(page).content.decode() for name, page in pages.items()}
    texts |= {name: render(report) for name, render in renderers().items()}
    for name, text in texts.items():
        assert "56.1%" in text, name
        assert re.search(r"\b90\b", text), name
        assert re.search(r"\b11\.0\b", text), name
        # Of what the project sent it would be a fifth.
        assert "19.8%" not in text, name
    (told,) = [e for e in json.loads(texts["json"])["findings"] if e["object"] == finding.object]
    assert told["impact"] == pytest.approx(990 / 1764)


def test_the_analysis_leads_to_its_pages_and_tells_what_is_covered(admin_client, two):
    page = admin_client.get(reverse("admin:perfops_analysis_change", args=[two[1].pk])).content
    for name, *more in (("tables",), ("indexes",), ("difference", two[0].pk)):
        assert url(name, two[1].pk, *more) in page.decode()
    assert "50%" in page.decode()
    assert "was reset within the window" in page.decode()


@pytest.mark.parametrize("packed", [None, b"of another layout"])
def test_an_expired_or_strange_snapshot_says_so(admin_client, two, packed):
    StoredSnapshot.objects.update(packed=packed)
    for name, *more in (("tables",), ("indexes",), ("difference", two[0].pk)):
        page = admin_client.get(url(name, two[1].pk, *more)).content.decode()
        assert "not kept any more" in page
    assert "was info" in page


def test_analyses_of_two_databases_are_not_compared(admin_client, two):
    Analysis.objects.filter(pk=two[0].pk).update(database="other")
    assert admin_client.get(url("difference", two[1].pk, two[0].pk)).status_code == 404


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_connections_and_locks_are_those_of_this_moment(admin_client):
    page = admin_client.get(url("now")).content.decode()
    assert "max_connections" in page
    assert "midst" in page
    assert admin_client.get(url("now") + "?database=nothing").status_code == 404
    # Tests beside this one, on the same server, may wait for one now and then.
    calm = "No session waits for a lock."
    until(lambda: calm in admin_client.get(url("now")).content.decode(), "somebody always waits")


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_database_that_is_away_is_a_sentence(admin_client):
    # The page's own queries go through the connection that is open; only a new one fails.
    connection.ensure_connection()
    was = connection.settings_dict
    try:
        connection.settings_dict = {**was, "PORT": "1"}
        page = admin_client.get(url("now")).content.decode()
    finally:
        connection.settings_dict = was
    assert "does not answer" in page


def test_only_who_may_analyse_sees_the_values_in_statements_of_others(client, monkeypatch):
    waiter = msgspec.structs.replace(session(2, 1), text="UPDATE x SET name = 'secret'")
    found = (session(1), waiter)
    held = present.Present(None, found, (), present.queue(found))
    monkeypatch.setattr(present, "now", lambda database, whole: held)
    user = User.objects.create_user("reader", password="x", is_staff=True)
    client.force_login(user)
    assert client.get(url("now")).status_code == 403
    for codename, is_shown in (("view_analysis", False), ("run_analysis", True)):
        user.user_permissions.add(Permission.objects.get(codename=codename))
        page = client.get(url("now")).content.decode()
        assert "UPDATE x SET name = " in page
        assert ("secret" in page) == is_shown


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_when_every_connection_is_taken_it_is_shown_by_whom(admin_client, monkeypatch):
    def refused(database):
        raise OperationalError("FATAL:  sorry, too many clients already")

    monkeypatch.setattr("perfops.analysis.sessions.session.reading", refused)
    page = admin_client.get(url("now")).content.decode()
    assert "does not answer" not in page
    assert "max_connections" in page


def test_holders_are_counted_by_application_and_user_the_most_first():
    idle = msgspec.structs.replace(session(3), state="idle in transaction", transaction_s=9.0)
    one, other = session(1), msgspec.structs.replace(idle, pid=4, transaction_s=None)
    assert present.holders([one, idle, other]) == [
        present.Holder("app3", "u", 2, 0, 2, 9.0), present.Holder("app1", "u", 1, 0, 0, 1.0),
    ]  # fmt: skip
    assert present.holders([]) == []


def session(pid, *blocked_by):
    return Session(pid, "d", "u", f"app{pid}", "", "active", 1.0, 1.0, 1.0, "", "", blocked_by)


@pytest.mark.parametrize(
    ("sessions", "lines"),
    [
        ([session(1), session(2)], []),
        (
            [session(1), session(2, 1), session(3, 2), session(4, 1)],
            [(0, 1), (1, 2), (2, 3), (1, 4)],
        ),
        ([session(1, 2), session(2, 1)], [(0, 2), (0, 1)]),
        ([session(1, 99)], [(0, 1)]),
    ],
)  # fmt: skip
def test_the_queue_shows_each_waiter_once_below_who_holds_it_up(sessions, lines):
    assert [(depth, one.pid) for depth, one in present.queue(sessions)] == lines


def test_a_year_of_analyses_and_hourly_snapshots_is_listed_with_few_queries(
    admin_client, django_assert_max_num_queries
):
    now = timezone.now()
    Analysis.objects.bulk_create(
        Analysis(state="finished", counts={"warning": n % 3}, window_s=604_800.0)
        for n in range(365)
    )
    StoredSnapshot.objects.bulk_create(
        StoredSnapshot(database="default", taken_at=now - timedelta(hours=n), packed=None)
        for n in range(24 * 365)
    )
    with django_assert_max_num_queries(10):
        admin_client.get(reverse("admin:perfops_analysis_changelist"))


def test_the_columns_of_a_table_that_was_never_touched_have_no_figures():
    table = Table("public", "t", 0, 0, 0, 0, 0, 0, 0)
    texts = {column.key: column.text(table) for column in of_tables(now=0.0)}
    assert (texts["vacuum"], texts["hot"], texts["hit"]) == ("never", "-", "-")
    busy = msgspec.structs.replace(table, updated=4, hot_updated=1, vacuumed_at=-7200.0)
    texts = {column.key: column.text(busy) for column in of_tables(now=0.0)}
    assert (texts["vacuum"], texts["hot"]) == ("2 hours ago", "25.0%")
