"""A useful report whatever the server is like: never a traceback, never a lock held."""

import threading
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection

from perfops.analysis import on_replicas, snapshots
from perfops.analysis import services as analyses
from perfops.analysis.advisors import registry, replication_lag
from perfops.analysis.collectors import bloat, difference, indexes, snapshot, statements
from perfops.analysis.collectors.states import CUT_OFF
from perfops.analysis.coverage import Coverage
from perfops.conf import Conf
from perfops.database import packages, replicas
from tests.perfops.clusters import Cluster, cluster, until, versions


@pytest.fixture(scope="module", params=versions())
def server(request):
    with cluster(request.param, **{"pg_stat_statements.max": "1000"}) as made:
        made.execute(
            "CREATE TABLE kept (id bigint PRIMARY KEY, n int)",
            "INSERT INTO kept SELECT n, n FROM generate_series(1, 2000) n",
        )
        yield made


@pytest.fixture
def unblocked(django_db_blocker):
    with django_db_blocker.unblock():
        yield


def sources(found):
    return {each.source for each in found.missing}


@pytest.mark.usefixtures("unblocked")
def test_without_the_extension_all_but_statements_is_told(server):
    with server.alias() as alias:
        found = snapshot.take(alias)
    assert sources(found) == {"pg_stat_statements"}
    assert found.missing[0].remedy == "CREATE EXTENSION pg_stat_statements;"
    assert found.tables
    consulted = registry.run_advisors(difference.since_reset(found), Conf())
    assert "slow_queries" not in consulted.complete
    assert "unused_indexes" in consulted.complete


@pytest.mark.usefixtures("unblocked")
def test_without_the_library_the_report_says_which_setting_it_needs(server):
    bare = Cluster(server.version, server.folder.parent / "bare")
    try:
        bare.make().start(shared_preload_libraries="auto_explain")
        bare.execute("CREATE EXTENSION pg_stat_statements")
        with bare.alias() as alias:
            found = snapshot.take(alias)
    finally:
        bare.stop()
    (missing,) = found.missing
    # What is loaded stays so.
    libraries = "shared_preload_libraries = auto_explain, pg_stat_statements;"
    assert libraries in missing.remedy


@pytest.mark.usefixtures("unblocked")
def test_a_role_without_any_right_gets_what_everyone_may_see(server):
    server.execute(
        "CREATE EXTENSION IF NOT EXISTS pg_stat_statements",
        "DROP ROLE IF EXISTS stranger", "CREATE ROLE stranger LOGIN",
    )  # fmt: skip
    with server.connect("secret-work") as other:
        other.execute("BEGIN")
        other.execute("SELECT 'secret'")
        with server.alias(USER="stranger") as alias:
            found = snapshot.take(alias)
    assert {"pg_stat_statements", "pg_stat_activity"} <= sources(found)
    assert {each.remedy for each in found.missing} >= {'GRANT pg_read_all_stats TO "stranger";'}
    assert {t.name for t in found.tables} == {"kept"}
    assert not any("secret'" in session.text for session in found.sessions)
    assert registry.run_advisors(difference.since_reset(found), Conf())


@pytest.mark.usefixtures("unblocked")
def test_an_exclusive_lock_keeps_nobody_waiting_and_the_waiters_are_told(server):
    with server.connect("migration") as holder, server.connect("visitor") as visitor:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE kept IN ACCESS EXCLUSIVE MODE")
        thread = threading.Thread(target=lambda: visitor.execute("SELECT count(*) FROM kept"))
        thread.start()
        with server.connect("watcher") as watcher:
            until(lambda: waits(watcher, "visitor"), "nobody waits")
        with server.alias() as alias:
            found = snapshot.take(alias)
        holder.execute("ROLLBACK")
        thread.join(60)
    (kept,) = (table for table in found.tables if table.name == "kept")
    assert kept.bytes >= 0
    assert {index.name for index in found.indexes} == {"kept_pkey"}
    (advice,) = registry.run_advisors(
        difference.since_reset(found), Conf(BLOCKED_S=0.0), only=["blocked_sessions"]
    ).issues
    assert "migration" in advice.title
    assert "AccessShareLock on kept" in advice.evidence["waits for"]


def waits(watcher, application):
    return watcher.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE application_name = %s AND wait_event_type = 'Lock'",
        [application],
    ).fetchone() == (1,)


@pytest.mark.usefixtures("unblocked")
def test_we_hold_no_lock_between_two_looks_and_write_nothing(server, monkeypatch):
    seen = []

    def spying(cursor):
        with server.connect("watcher") as watcher:
            seen.append(
                watcher.execute(
                    "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                    " WHERE a.application_name = 'perfops' AND l.locktype = 'relation'"
                ).fetchone()
            )
        cursor.execute("SHOW default_transaction_read_only")
        seen.append(cursor.fetchone())
        return ()

    monkeypatch.setattr(bloat, "read", spying)
    with server.alias() as alias:
        snapshot.take(alias)
    assert seen == [(0,), ("on",)]


@pytest.mark.usefixtures("unblocked")
@pytest.mark.parametrize("limit", ["STATEMENT_TIMEOUT_MS", "SNAPSHOT_TIMEOUT_S"])
def test_a_source_that_takes_too_long_is_left_out_and_named(server, settings, monkeypatch, limit):
    settings.PERFOPS = {**settings.PERFOPS, "STATEMENT_TIMEOUT_MS": 3_000}
    if limit == "SNAPSHOT_TIMEOUT_S":
        settings.PERFOPS = {**settings.PERFOPS, limit: 0.0}

    def slow(cursor):
        cursor.execute("SELECT pg_sleep(60)")
        return ()

    monkeypatch.setattr(snapshot.database, "ages", slow)
    with server.alias() as alias:
        found = snapshot.take(alias)
    if limit == "STATEMENT_TIMEOUT_MS":
        (missing,) = (m for m in found.missing if m.source == "pg_database")
        assert limit in missing.reason
        assert found.tables
        assert found.settings
    else:
        assert {"pg_database", "pg_stat_user_tables"} <= sources(found)


@pytest.mark.usefixtures("unblocked")
def test_a_server_that_goes_in_the_middle_leaves_what_was_read_and_a_reason(server, monkeypatch):
    mortal = Cluster(server.version, server.folder.parent / "mortal")

    def fatal(cursor):
        mortal.crash()
        cursor.execute("SELECT 1")
        return ()

    monkeypatch.setattr(statements, "read", fatal)
    try:
        mortal.make().start()
        with mortal.alias() as alias:
            found = snapshot.take(alias)
    finally:
        mortal.stop()
    assert found.connections is not None
    assert {"pg_stat_statements", "pg_stat_user_tables", "bloat"} <= sources(found)
    assert registry.run_advisors(difference.since_reset(found), Conf()).complete


@pytest.mark.usefixtures("unblocked")
def test_a_server_that_is_not_there_is_a_sentence_and_exit_code_2(server, capsys):
    with server.alias(PORT=1), pytest.raises(SystemExit) as ended:
        call_command("analyze_db", "--database", "ill", "--no-store")
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "does not answer" in said.err


@pytest.mark.usefixtures("unblocked")
def test_statements_count_whose_texts_the_server_has_lost_in_whatever_schema(server):
    server.execute(
        'CREATE SCHEMA IF NOT EXISTS "Mon"',
        "CREATE EXTENSION IF NOT EXISTS pg_stat_statements",
        'ALTER EXTENSION pg_stat_statements SET SCHEMA "Mon"',
        "SELECT count(*) FROM kept",
    )
    texts = server.data / "pg_stat_tmp" / "pgss_query_texts.stat"
    texts.unlink()
    texts.mkdir()  # a file would be written anew
    try:
        with server.alias() as alias:
            found = snapshot.take(alias)
    finally:
        texts.rmdir()
        server.execute(
            "ALTER EXTENSION pg_stat_statements SET SCHEMA public",
            "SELECT pg_stat_statements_reset()",
        )
    assert found.missing == ()
    lost = [each for each in found.statements if each.text == ""]
    assert lost
    assert sum(each.calls for each in lost) >= 1
    assert registry.run_advisors(difference.since_reset(found), Conf()).failed == ()


@pytest.mark.usefixtures("unblocked")
def test_the_same_statement_in_another_database_of_the_server_is_no_part_of_the_shares(server):
    server.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    for database, calls in (("postgres", 3), ("template1", 70)):
        with server.connect(database=database) as connection:
            for _ in range(calls):
                connection.execute("SELECT 1 AS in_two_databases")
    with server.alias() as alias:
        window = difference.since_reset(snapshot.take(alias))
    (found,) = [each for each in window.statements if "in_two_databases" in each.text]
    assert found.calls == 3
    assert sum(window.shares().values()) == pytest.approx(1.0)


@pytest.mark.usefixtures("unblocked")
def test_vacuum_is_due_at_the_most_that_18_has(server):
    server.execute(
        "CREATE TABLE due (id int) WITH (autovacuum_enabled = off)",
        "INSERT INTO due SELECT n FROM generate_series(1, 10000) n", "ANALYZE due",
    )  # fmt: skip
    if server.version >= "18":
        server.execute("ALTER TABLE due SET (autovacuum_vacuum_max_threshold = 300)")
    with server.alias() as alias:
        (due,) = [t for t in snapshot.take(alias, light=True).tables if t.name == "due"]
    server.execute("DROP TABLE due")
    assert due.vacuum_due == (300 if server.version >= "18" else 50 + 2000)


@pytest.fixture(scope="module")
def standby(server):
    """A copy of the server, stopped; each test names the primary that it has."""
    made = Cluster(server.version, server.folder.parent / "standby")
    made.folder.mkdir()
    made.own(made.folder)
    server.run(
        "pg_basebackup", "-h", "127.0.0.1", "-p", server.port, "-U", "chief", "-D", made.data,
        "--checkpoint=fast", "--no-sync",
    )  # fmt: skip
    (made.data / "standby.signal").touch()
    try:
        yield made
    finally:
        made.stop()


class ReadsFromIll:
    """Sends the reading of every model to a database that nothing was migrated to."""

    def db_for_read(self, model, **hints):
        return "ill"


@pytest.mark.usefixtures("unblocked")
def test_a_project_that_has_not_migrated_perfops_yet_gets_a_whole_report(server, settings):
    server.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    settings.DATABASE_ROUTERS = [f"{__name__}.ReadsFromIll"]
    with server.alias("ill") as alias:
        report = analyses.analyse(database=alias, store=False)
    assert report.window.statements
    assert [each.source for each in report.window.missing if "failed with" in each.reason] == []


class OnlyThePrimary:
    """What projects with read replicas have: nothing is migrated there."""

    def allow_migrate(self, db, app_label, **hints):
        return db == "primary"


@pytest.mark.usefixtures("unblocked")
def test_a_replica_is_analysed_with_the_models_of_its_primary_and_its_lag_is_told(
    server, standby, settings
):
    server.execute("SELECT pg_create_physical_replication_slot('standby', true)")
    try:
        standby.start(
            primary_conninfo=f"host=127.0.0.1 port={server.port} user=chief",
            primary_slot_name="standby",
            recovery_min_apply_delay="1h",
            hot_standby_feedback="on",
        )
        with server.connect() as connection:
            # The first commit is what waits to be replayed; the second stands behind it.
            connection.execute("INSERT INTO kept VALUES (-1, 0)")
            connection.execute("INSERT INTO kept SELECT n, 0 FROM generate_series(3000, 9000) n")
            until(lambda: behind(connection), "the standby is not behind")
        settings.DATABASE_ROUTERS = [f"{__name__}.OnlyThePrimary"]
        with server.alias("primary") as alias, standby.alias("reader"):
            found, primary = snapshot.take("reader"), snapshot.take(alias)
            models = packages.models_of("reader")
            assert list(replicas.on_replicas(alias, indexes.read)) == ["reader"]
            for other in ("reader", "default"):
                assert replicas.on_replicas(other, indexes.read) == {}
            assert replicas.primary_of("reader") == alias
            assert models == packages.models_of(alias) != []
            settings.PERFOPS = {**settings.PERFOPS, "IDLE_IN_TRANSACTION_S": 0.0}
            with standby.connect("quarterly-report") as reporter:
                reporter.execute("BEGIN")
                reporter.execute("SELECT count(*) FROM kept")
                whole = analyses.analyse(database=alias, store=False)
            seen = Coverage(frozenset({"idle_in_transaction"}))
            covered = on_replicas.coverage(seen, {"reader": found}, alias)
            uncovered = on_replicas.coverage(seen, {}, alias)
    finally:
        standby.stop()
        with server.connect() as connection:
            # Its sender learns a moment later that nobody listens any more.
            until(lambda: is_free(connection), "the slot is in use")
            connection.execute("SELECT pg_drop_replication_slot('standby')")
    (idle,) = [each for each in whole.issues if each.advisor == "idle_in_transaction"]
    assert idle.object.startswith("reader: ")
    assert idle.evidence["server"] == "reader"
    assert idle.title.endswith("(on reader)")
    assert list(whole.taken_on_replicas) == ["reader"]
    # A finding on a replica that does not answer is not gone.
    assert covered.covers("idle_in_transaction", idle.object)
    assert not uncovered.covers("idle_in_transaction", idle.object)
    assert uncovered.covers("idle_in_transaction", "session of its primary")
    assert found.server.in_recovery
    assert sources(found) <= {"pg_stat_statements"}
    assert found.tables
    assert found.server.identity != primary.server.identity
    assert "another server" in difference.between(primary, found).notes[0]
    limits = Conf(REPLICATION_LAG_BYTES=10_000, UNUSED_INDEX_MIN_DAYS=0, UNUSED_INDEX_MIN_BYTES=0)
    for look in (found, primary):
        advice = registry.run_advisors(difference.since_reset(look), limits).issues
        assert any(a.advisor == "replication_lag" for a in advice)
        assert not any(a.advisor == "unused_indexes" for a in advice)


@pytest.mark.usefixtures("unblocked")
def test_a_standby_whose_primary_is_a_dead_port_is_an_error_and_not_healthy(standby):
    """No row in pg_stat_wal_receiver, and all that it has received is replayed: silence."""
    standby.start(primary_conninfo="host=127.0.0.1 port=1", recovery_min_apply_delay="0")
    try:
        with standby.alias() as alias:
            found = snapshot.take(alias)
    finally:
        standby.stop()
    (itself,) = found.replicas
    assert (itself.name, itself.state, itself.silent_s) == ("", CUT_OFF, None)
    issues = registry.run_advisors(difference.since_reset(found), Conf()).issues
    (issue,) = [each for each in issues if each.advisor == replication_lag.ID]
    assert (issue.severity, issue.title) == (
        "error", "this replica receives nothing from its primary",
    )  # fmt: skip


def behind(connection):
    """The standby has received what it has yet to replay: it knows that it is late."""
    found = connection.execute(
        "SELECT coalesce(max(pg_wal_lsn_diff(flush_lsn, replay_lsn)), 0)"
        " FROM pg_stat_replication WHERE state = 'streaming'"
    ).fetchone()
    return found[0] > 10_000


def is_free(connection):
    found = connection.execute("SELECT NOT active FROM pg_replication_slots").fetchone()
    return found == (True,)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_database_that_takes_no_writes_can_be_analysed_without_a_trace():
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        try:
            assert analyses.analyse(store=False).analysis_id is None
            with pytest.raises(analyses.CouldNotAnalyse, match="--no-store"):
                analyses.analyse()
        finally:
            cursor.execute("RESET default_transaction_read_only")


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_without_earlier_snapshots_to_read_the_counters_themselves_are_the_report():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE perfops_storedsnapshot RENAME TO gone")
        try:
            report = analyses.analyse(store=False)
            with pytest.raises(analyses.CouldNotAnalyse, match="can't be read"):
                analyses.analyse(store=False, since=timedelta(hours=1))
        finally:
            cursor.execute("ALTER TABLE gone RENAME TO perfops_storedsnapshot")
    assert "no earlier snapshot" in report.window.notes[0]


@pytest.mark.usefixtures("unblocked")
def test_thrown_away_statements_are_no_negative_counts(server):
    """More kinds of statements than ``pg_stat_statements.max`` between the two looks."""
    server.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    with server.alias() as alias, server.connect() as connection:
        connection.execute("SELECT pg_stat_statements_reset()")
        for _ in range(50):
            connection.execute("SELECT count(*) FROM kept AS often")
        before = snapshot.take(alias)
        with connection.pipeline():
            for n in range(1500):
                connection.execute(of_a_kind(n))
        connection.execute("SELECT count(*) FROM kept AS often")
        window = difference.between(before, snapshot.take(alias))
    assert any("threw statements away" in note for note in window.notes)
    assert all(s.calls > 0 and s.total_ms >= 0 and s.stddev_ms >= 0 for s in window.statements)


def of_a_kind(n):
    """Constants of other types are another statement."""
    return "SELECT " + ", ".join("1" if n >> bit & 1 else "'x'" for bit in range(11))


@pytest.mark.slow
@pytest.mark.usefixtures("unblocked")
def test_ten_thousand_tables_and_a_hundred_thousand_statements_are_all_looked_at(settings):
    # How long it takes is another question: here that nothing is left out.
    settings.PERFOPS = {
        **settings.PERFOPS, "STATEMENT_TIMEOUT_MS": 120_000, "SNAPSHOT_TIMEOUT_S": 600.0,
    }  # fmt: skip
    server_settings = {
        "pg_stat_statements.max": "120000", "pg_stat_statements.track": "all",
        "max_locks_per_transaction": "256", "autovacuum": "off",
    }  # fmt: skip
    with cluster("18", **server_settings) as wide:
        wide.execute("CREATE EXTENSION pg_stat_statements", *many_tables(10_000))
        for shape in SHAPES:
            wide.execute(many_statements(shape, 10_000))
        with wide.alias() as alias:
            found = snapshot.take(alias)
    assert found.missing == ()
    assert len(found.tables) == 10_000
    assert len(found.statements) >= 100_000
    # Four ways to be costly: so many texts at most come along.
    assert sum(bool(s.text) for s in found.statements) <= 4 * Conf().STATEMENT_TEXTS
    assert registry.run_advisors(difference.between(found, found), Conf()).complete
    packed = snapshots.pack(found, texts=Conf().SNAPSHOT_STATEMENTS)
    assert len(packed) < 20 * 1024**2


SHAPES = (
    "id", "1", "id, id", "id, 1", "1, 1", "id + 1", "-id", "id IS NULL", "id > 1", "id < 1",
)  # fmt: skip


def many_tables(number):
    step = 500
    for first in range(0, number, step):
        yield f"""DO $$ BEGIN FOR n IN {first}..{first + step - 1} LOOP
            EXECUTE format('CREATE TABLE t%s (id int)', n); END LOOP; END $$"""


def many_statements(shape, number):
    """The same of another table is another statement."""
    return f"""DO $$ BEGIN FOR n IN 0..{number - 1} LOOP
        EXECUTE format('SELECT {shape} FROM t%s LIMIT 0', n); END LOOP; END $$"""
