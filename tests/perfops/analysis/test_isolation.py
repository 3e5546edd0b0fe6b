"""What can't be read, or raises, costs itself: it is named, and nothing is resolved by it."""

import re
import sys

import msgspec
import pytest
from django.core.management import call_command
from django.db import InternalError, NotSupportedError, OperationalError, ProgrammingError
from django.db.backends.signals import connection_created

from perfops.analysis import services as analyses
from perfops.analysis.advisors import bloat as bloat_advisor
from perfops.analysis.advisors import integer_overflow, registry
from perfops.analysis.collectors import activity, difference, indexes, snapshot, tables
from perfops.analysis.collectors.records import Checkpoints, Database, Server, StatementsInfo, Wal
from perfops.analysis.collectors.snapshot import Snapshot
from perfops.analysis.collectors.states import Session
from perfops.conf import Conf
from perfops.formatting import to_datetime
from perfops.models import Analysis, Finding, StoredSnapshot
from tests.perfops.clusters import cluster, versions

DAY = 86_400.0
SERVER = Server(180000, "18.0", "midst", "midst", started_at=0.0, now=0.0)


@pytest.fixture(scope="module", params=versions())
def server(request):
    with cluster(request.param) as made:
        made.execute(
            "CREATE EXTENSION pg_stat_statements",
            "CREATE TABLE kept (id serial PRIMARY KEY, n int)",
            "INSERT INTO kept (n) SELECT n FROM generate_series(1, 2000) n",
            "SELECT setval('kept_id_seq', 2100000000)",
            "CREATE ROLE monitor LOGIN; GRANT pg_monitor TO monitor",
        )
        yield made


@pytest.fixture
def unblocked(django_db_blocker):
    with django_db_blocker.unblock():
        yield


def sources(found):
    return {each.source for each in found.missing}


@pytest.mark.usefixtures("unblocked")
def test_a_role_that_may_not_read_the_tables_is_told_what_it_does_not_see(server):
    with server.alias(USER="monitor") as alias:
        found = snapshot.take(alias)
    assert {"sequences", "bloat", "pg_stats"} <= sources(found)
    assert all(each.remedy == 'GRANT pg_read_all_data TO "monitor";' for each in found.missing)
    results = registry.run_advisors(difference.since_reset(found), Conf())
    hidden = {"integer_overflow": "public.kept.id", "bloat": "public.kept_pkey",
              "missing_statistics": "public.kept"}  # fmt: skip
    for advisor, name in hidden.items():
        assert not results.coverage.covers(advisor, name)
        # What the role may read is checked as ever.
        assert results.coverage.covers(advisor, "public.other")
    assert results.coverage.covers("slow_queries", "public.kept")


@pytest.mark.usefixtures("unblocked")
def test_a_role_that_may_read_everything_misses_nothing(server):
    server.execute("CREATE ROLE reader LOGIN; GRANT pg_monitor, pg_read_all_data TO reader")
    try:
        with server.alias(USER="reader") as alias:
            found = snapshot.take(alias)
    finally:
        server.execute("DROP ROLE reader")
    assert found.missing == ()
    results = registry.run_advisors(difference.since_reset(found), Conf())
    assert [a.object for a in results.issues if a.advisor == "integer_overflow"] == [
        "public.kept.id"
    ]


@pytest.mark.usefixtures("unblocked")
@pytest.mark.parametrize("collector", [tables, indexes])
def test_a_table_dropped_during_the_look_is_left_out_alone(server, monkeypatch, collector):
    server.execute("CREATE TABLE going (id int PRIMARY KEY)")
    # What PostgreSQL answers for a relation that is gone: NULL.
    gone = {
        tables: (
            "CASE s.relname WHEN 'going' THEN NULL ELSE pg_total_relation_size(c.oid) END",
            "pg_relation_size(c.oid)",
        ),
        indexes: (
            "CASE s.relname WHEN 'going' THEN NULL ELSE pg_relation_size(s.indexrelid) END",
            *indexes._EXACT[1:],
        ),
    }
    monkeypatch.setattr(collector, "_EXACT", gone[collector])
    try:
        with server.alias() as alias:
            found = snapshot.take(alias)
    finally:
        server.execute("DROP TABLE going")
    assert found.missing == ()
    assert [each.name for each in found.tables if each.name == "kept"] == ["kept"]
    assert [each.name for each in found.indexes if each.table == "kept"] == ["kept_pkey"]


# Which managed service answers what, by its documentation or issue tracker.
REFUSALS = {
    "RDS: pg_control_system is for superusers": (
        "pg_control_system", ProgrammingError("permission denied for function"), set(),
    ),
    "Aurora: no control file": (
        "pg_control_checkpoint", OperationalError("is not supported on this instance"), set(),
    ),
    "Aurora: no LSN": (
        "pg_current_wal_lsn", NotSupportedError("currently not supported for Aurora"),
        {"pg_stat_replication", "pg_replication_slots"},
    ),
    "Cloud SQL: settings of an extension": (
        "pg_stat_statements.track", ProgrammingError("permission denied to set parameter"), set(),
    ),
    "Azure: no pg_stat_replication": (
        "FROM pg_stat_replication", ProgrammingError("permission denied for view"),
        {"pg_stat_replication"},
    ),
    "Supabase: no view of extensions' statistics": (
        "pg_stat_statements_info", ProgrammingError("permission denied for view"),
        {"pg_stat_statements_info"},
    ),
    "Neon: WAL is elsewhere": (
        "FROM pg_stat_wal", InternalError("not supported"), {"pg_stat_wal"},
    ),
    "any: pg_prepared_xacts": (
        "FROM pg_prepared_xacts", ProgrammingError("permission denied"), {"pg_prepared_xacts"},
    ),
    "any: pg_settings": ("FROM pg_settings", ProgrammingError("denied"), {"pg_settings"}),
    "any: pg_database": ("FROM pg_database WHERE NOT", ProgrammingError("denied"), {"pg_database"}),
}  # fmt: skip


@pytest.mark.usefixtures("unblocked")
@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_a_managed_service_refuses_costs_that_source_alone(server, refusal):
    words, error, expected = REFUSALS[refusal]

    def refuse(execute, sql, params, many, context):
        text = sql if isinstance(sql, str) else sql.as_string(None)
        if words in text:
            raise error
        return execute(sql, params, many, context)

    def on_connection(connection, **_):
        connection.execute_wrappers.append(refuse)

    connection_created.connect(on_connection)
    try:
        with server.alias() as alias:
            found = snapshot.take(alias)
    finally:
        connection_created.disconnect(on_connection)
    assert sources(found) == expected
    assert found.tables
    assert found.statements is not None


def test_an_advisor_that_raises_is_named_and_the_others_go_on(monkeypatch, caplog):
    def fail(window, limits):
        raise RecursionError("maximum recursion depth exceeded")

    monkeypatch.setattr(bloat_advisor, "run", fail)
    results = registry.run_advisors(difference.since_reset(look(DAY)), Conf())
    (failed,) = results.failed
    assert failed.source == "advisor bloat"
    assert "RecursionError" in failed.reason
    assert "bloat" not in results.complete
    assert "integer_overflow" in results.complete
    assert "the advisor bloat failed" in caplog.text


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_findings_of_an_advisor_that_failed_stay_open_and_the_report_says_since_when(
    monkeypatch, capsys
):
    analyses.analyse(only=["integer_overflow"])
    kept = Finding.objects.create(
        database="default", fingerprint="f" * 64, advisor="integer_overflow", severity="error",
        object="public.t.id", title="public.t.id has used 98% of its numbers", why="", remedy="",
        first_seen_at="2026-01-02T03:04Z", last_seen_at="2026-01-02T03:04Z",
    )  # fmt: skip

    def fail(window, limits):
        raise ValueError("a fault of ours")

    with monkeypatch.context() as patch:
        patch.setattr(integer_overflow, "run", fail)
        with pytest.raises(SystemExit) as ended:
            call_command("analyze_db", "--only", "integer_overflow")
    said = capsys.readouterr().out
    kept.refresh_from_db()
    assert kept.status == Finding.Status.OPEN
    assert ended.value.code == 1
    assert "could not be checked since 2026-01-02 03:04 UTC" in said
    assert "advisor integer_overflow: it failed with ValueError: a fault of ours" in said
    analyses.analyse(only=["integer_overflow"])
    kept.refresh_from_db()
    assert kept.status == Finding.Status.RESOLVED


def test_a_crash_of_the_command_is_exit_code_2_and_shows_where(monkeypatch, capsys):
    monkeypatch.setattr(analyses, "analyse", None)
    with pytest.raises(SystemExit) as ended:
        call_command("analyze_db")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "a fault of perfops" in said


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("urlpatterns = [\n", "SyntaxError"),
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("nothing = 1\n", "does not appear to have any patterns in it"),
    ],
)
def test_an_error_of_the_project_is_not_called_one_of_perfops(
    text, error, tmp_path, settings, monkeypatch, capsys
):
    file = tmp_path / "broken_urls.py"
    file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_urls", raising=False)
    settings.ROOT_URLCONF = "broken_urls"
    with pytest.raises(SystemExit) as ended:
        call_command("perfops_start")
    assert ended.value.code == 2
    said = "".join(capsys.readouterr().err.split("Nothing could be told. ")[1:])
    assert said.startswith("The project")
    assert error in said
    assert ("broken_urls.py:1" in said) == (error != "does not appear to have any patterns in it")


def look(at, *, reset=0.0, statements_reset=0.0, wal_reset=0.0, **changes):
    found = Snapshot(
        taken_at=at, server=SERVER,
        database=Database(1, 0, 1, 0, 0, 0, reset_at=reset),
        statements=(), statements_info=StatementsInfo(statements_reset, 0),
        checkpoints=Checkpoints(0, 0, 0, 0, 0, 0, 0, reset_at=0.0),
        wal=Wal(0, 0, 0, 0, reset_at=wal_reset),
    )  # fmt: skip
    return msgspec.structs.replace(found, **changes)


def test_a_reset_of_one_source_shortens_no_others_window():
    week, hour = 7 * DAY, 3600.0
    window = difference.between(look(0.0), look(week, statements_reset=week - hour))
    assert window.seconds_of("pg_stat_statements") == hour
    assert window.seconds_of("pg_stat_user_tables") == week
    complete = registry.run_advisors(window, Conf()).complete
    assert "sequential_scans" in complete
    assert complete.isdisjoint({"slow_queries", "frequent_queries", "temp_files"})


@pytest.mark.parametrize("source", ["pg_stat_wal", "pg_stat_database"])
def test_resets_of_the_other_statistics_are_read_as_well(source):
    name = {"pg_stat_wal": "wal_reset", "pg_stat_database": "reset"}[source]
    window = difference.between(look(0.0), look(1000.0, **{name: 900.0}))
    assert window.seconds_of(source) == pytest.approx(100)
    assert window.seconds_of("pg_stat_statements") == 1000
    assert any(source in note for note in window.notes)


def test_without_an_earlier_snapshot_each_source_counts_since_its_own_reset():
    window = difference.since_reset(look(10 * DAY, statements_reset=9 * DAY))
    assert window.seconds_of("pg_stat_user_tables") == 10 * DAY
    assert window.seconds_of("pg_stat_statements") == DAY


def test_after_a_failover_the_counters_are_of_their_own_lifetime_and_resolve_nothing():
    before = look(100 * DAY, server=msgspec.structs.replace(SERVER, identity="1/1"))
    after = look(101 * DAY, server=msgspec.structs.replace(SERVER, identity="1/2"))
    window = difference.between(before, after)
    assert window.seconds_of("pg_stat_user_tables") == 101 * DAY
    complete = registry.run_advisors(window, Conf()).complete
    assert complete.isdisjoint({"slow_queries", "sequential_scans", "cache_hit_ratio"})
    assert "integer_overflow" in complete


@pytest.mark.django_db
def test_soon_after_a_failover_what_the_last_analysis_found_is_not_called_gone():
    """Too soon for a window between the two: it is all that the promoted server has counted."""
    after = look(112.0, reset=100.0, statements_reset=100.0, wal_reset=100.0)
    assert analyses._of_all_counters("default", after).is_complete("pg_stat_user_tables")
    StoredSnapshot.objects.create(
        database="default", analysis=Analysis.objects.create(), packed=b"",
        taken_at=to_datetime(60),
    )  # fmt: skip
    window = analyses._of_all_counters("default", after)
    complete = registry.run_advisors(window, Conf()).complete
    assert complete.isdisjoint({"slow_queries", "sequential_scans"})
    assert any("began after the last analysis" in note for note in window.notes)
    window = analyses._of_all_counters("default", look(112.0, reset=50.0, statements_reset=50.0))
    assert window.is_complete("pg_stat_user_tables")


def test_a_reset_of_pg_stat_io_leaves_the_other_figures_of_checkpoints_their_window():
    def at(taken, requested, by_sessions, io_reset_at):
        return look(taken, checkpoints=Checkpoints(
            0, requested, 0, 0, 0, by_sessions, 0, reset_at=0.0, io_reset_at=io_reset_at,
        ))  # fmt: skip

    window = difference.between(at(0.0, 500, 90, 0.0), at(100.0, 510, 7, 50.0))
    assert (window.checkpoints.requested, window.checkpoints.by_sessions) == (10, 7)


SECRETS = [
    ("SELECT * FROM person WHERE email = 'ada@example.org'", "ada"),
    ("SELECT * FROM person WHERE name = 'O''Hara' AND id=4711", "Hara"),
    ("SELECT E'it\\'s ada', 1", "ada"),
    ("SELECT $tag$ada$tag$, $$ada$$", "ada"),
    ("/* user=ada */ SELECT 1 -- ada", "ada"),
    ("UPDATE person SET email = 'ada@exam", "ada"),
    ("SELECT x'ada', U&'ada', N'ada'", "'ada"),
    ("SELECT 4711, 47.11, 4711e3, (4711)", "4711"),
    ("SELECT * FROM t WHERE a>4711 AND b=-4711", "4711"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_no_value_of_a_sessions_statement_is_kept(text, secret):
    assert secret not in activity.normalised(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('SELECT a1, "it\'s 5" FROM t2', 'SELECT a1, "it\'s 5" FROM t2'),
        ("SELECT 'x', 5", "SELECT $1, $2"),
        ("SELECT $1, t.c3", "SELECT $1, t.c3"),
    ],
)
def test_names_and_parameters_stay(text, expected):
    assert activity.normalised(text) == expected


@pytest.mark.usefixtures("unblocked")
def test_findings_about_sessions_hold_no_data_and_end_nobody(server):
    with server.connect("shell") as other:
        other.execute("BEGIN")
        other.execute("SELECT 'ada@example.org', 4711")
        with server.alias() as alias:
            found = snapshot.take(alias)
    assert not [one for one in found.sessions if "ada@" in one.text]
    running = Session(
        7, "d", "u", "app", "", "active", 99.0, 99.0, 99.0, "", "SELECT $1",
    )  # fmt: skip
    waiting = msgspec.structs.replace(running, pid=8, blocked_by=(7,))
    window = difference.since_reset(
        msgspec.structs.replace(found, sessions=(*found.sessions, running, waiting))
    )
    limits = Conf(IDLE_IN_TRANSACTION_S=0.0)
    issues = [
        issue
        for issue in registry.run_advisors(window, limits).issues
        if issue.advisor in {"idle_in_transaction", "long_queries", "blocked_sessions"}
    ]
    assert {issue.advisor for issue in issues} == {
        "idle_in_transaction", "long_queries", "blocked_sessions",
    }  # fmt: skip
    for issue in issues:
        assert not re.search(r"pg_(terminate|cancel)_backend", issue.statement)
        assert "pid" not in issue.title
        server.execute(issue.statement)
