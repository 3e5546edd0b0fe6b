"""Through PgBouncer in transaction mode no setting of perfops stays behind for other clients."""

import threading

import psycopg
import pytest
from django.db import NotSupportedError, connections

from midst.stack import ports
from perfops.analysis import drift, sessions
from perfops.analysis.collectors import snapshot
from perfops.analysis.plans import explain
from perfops.conf import conf
from perfops.database import connections as database
from perfops.indexes import table_copies
from perfops.origins import ledger, statement_ids, store
from tests.perfops.clusters import USER, cluster, pool, versions

SETTINGS = (
    "statement_timeout", "lock_timeout", "default_transaction_read_only", "plan_cache_mode",
    "pg_stat_statements.track", "idle_in_transaction_session_timeout", "application_name",
)  # fmt: skip


@pytest.fixture(scope="module", params=versions())
def server(request):
    with cluster(request.param) as made:
        made.execute(
            "CREATE EXTENSION pg_stat_statements",
            "CREATE TABLE doc (id bigint PRIMARY KEY, owner int, body text)",
            "INSERT INTO doc SELECT n, n % 50, 'x' FROM generate_series(1, 5000) n",
            "CREATE ROLE modest LOGIN; GRANT pg_monitor TO modest; GRANT SELECT ON doc TO modest",
        )
        yield made


@pytest.fixture(params=[USER, "modest"])
def pooled(request, server):
    """Yield the alias of a pool that lends out one connection, as a superuser and as another."""
    with (
        pool(server, request.param) as port,
        server.alias(PORT=port, USER=request.param) as alias,
    ):
        yield alias


def client(port, user):
    return psycopg.connect(
        host=ports.HOST, port=port, user=user, dbname="postgres", autocommit=True,
        prepare_threshold=None,
    )  # fmt: skip


def settings_of(one):
    return [
        one.execute("SELECT current_setting(%s, true)", [name]).fetchone()[0] for name in SETTINGS
    ]


@pytest.fixture
def unblocked(django_db_blocker):
    with django_db_blocker.unblock():
        yield


@pytest.mark.usefixtures("unblocked")
def test_another_client_of_the_pool_keeps_its_settings_throughout(pooled):
    settings = connections[pooled].settings_dict
    seen, failed, done = [], [], threading.Event()
    with client(settings["PORT"], settings["USER"]) as other:
        before = settings_of(other)

        def look():
            while not done.is_set():
                try:
                    seen.append(settings_of(other))
                except psycopg.Error as error:
                    failed.append(error)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            taken = snapshot.take(pooled)
            present = sessions.now(pooled)
            with database.reading(pooled) as cursor:
                assert not database.is_direct(cursor)
                queryid = statement_ids.ask(cursor, "SELECT body FROM doc WHERE id = %s", [1])
                with pytest.raises(explain.NoPlan):
                    explain.generic(cursor, "SELECT nonsense FROM doc")
                plan = explain.generic(cursor, "SELECT body FROM doc WHERE id = %s")
                ran = explain.analysed(cursor, "SELECT body FROM doc WHERE id = %s", [1])
            with database.writing(pooled, timeout_ms=1234) as cursor:
                cursor.execute("SHOW statement_timeout")
                assert cursor.fetchone() == ("1234ms",)
            with pytest.raises(NotSupportedError, match="DIRECT_DATABASES"):
                table_copies.writing(pooled, conf()).__enter__()
        finally:
            done.set()
            thread.join(60)
        after = settings_of(other)
    assert failed == []
    assert {tuple(each) for each in [*seen, after]} == {tuple(before)}
    assert taken.tables
    assert not [each for each in taken.missing if "transaction" in each.reason]
    assert present.error == ""
    assert queryid
    assert "Index" in plan["Plan"]["Node Type"]
    assert "Actual Rows" in ran["Plan"]


@pytest.mark.usefixtures("unblocked")
def test_ids_of_statements_are_stored_through_a_pool_of_one_connection(pooled, server, monkeypatch):
    text = "SELECT body FROM doc WHERE owner = %s"
    monkeypatch.setattr(ledger, "_known", {(pooled, text): ledger.Known(0.0, pending={"i": [1]})})
    server.execute(
        "CREATE TABLE perfops_querytemplate (id bigint, queryids varchar[] DEFAULT '{}',"
        " signatures varchar[] DEFAULT '{}', identified_at timestamptz)",
        f"INSERT INTO perfops_querytemplate VALUES ({store.key(pooled, text)})",
        "GRANT SELECT, UPDATE ON perfops_querytemplate TO modest",
    )
    try:
        with database.writing(pooled, timeout_ms=5000) as cursor:
            statement_ids.identify_new(cursor, hurried=False)
            cursor.execute("SELECT cardinality(queryids), signatures FROM perfops_querytemplate")
            assert cursor.fetchone() == (1, ["i"])
    finally:
        server.execute("DROP TABLE perfops_querytemplate")


@pytest.mark.usefixtures("unblocked")
def test_models_are_compared_through_a_pool_of_one_connection(pooled, server):
    server.execute(
        "CREATE TABLE django_migrations (id int, app text, name text, applied timestamptz)",
        "GRANT SELECT ON django_migrations TO modest",
    )
    try:
        found = drift.find(pooled)
    finally:
        connections[pooled].close()
        server.execute("DROP TABLE django_migrations")
    assert any(each.kind == "migration" for each in found)


@pytest.mark.usefixtures("unblocked")
def test_through_a_pool_locks_last_no_longer_than_the_statement(pooled, server):
    with database.reading(pooled) as cursor:
        cursor.execute("SELECT max(id) FROM doc")
        with server.connect("migration") as migration:
            migration.execute("SET lock_timeout = '5s'")
            migration.execute("ALTER TABLE doc SET (fillfactor = 90)")
            assert cursor.fetchone() == (5000,)


@pytest.mark.usefixtures("unblocked")
def test_a_direct_alias_is_used_where_the_settings_name_one(pooled, server, settings):
    with server.alias("straight") as direct:
        settings.PERFOPS = {**settings.PERFOPS, "DIRECT_DATABASES": {pooled: direct}}
        with database.reading(pooled) as cursor:
            assert database.is_direct(cursor)
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == (f"{conf().STATEMENT_TIMEOUT_MS // 1000}s",)
