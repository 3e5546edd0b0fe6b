"""The happy path and every remedy: each PostgreSQL, direct and pooled, in schemas of any name, as
a superuser, as pg_monitor and as the owner alone.
"""

import psycopg
import pytest
from psycopg import sql

from perfops.analysis import services
from perfops.analysis.advisors import registry
from perfops.analysis.collectors import difference, snapshot
from perfops.indexes import recommending
from tests.perfops.clusters import USER, cluster, pool, tell_counters, versions

SCHEMAS = ("public", "Mixed", "acme.eu")
CELLS = [
    *((way, schema, USER) for way in ("direct", "pooled") for schema in SCHEMAS),
    ("direct", "acme.eu", "monitor"), ("direct", "acme.eu", "owner"),
]  # fmt: skip
TABLES = """
CREATE TABLE author (id serial PRIMARY KEY, name text);
INSERT INTO author SELECT n, 'a' || n FROM generate_series(1, 100) n;
SELECT setval('author_id_seq', 2000000000);
CREATE TABLE doc (id int PRIMARY KEY, author_id int NOT NULL REFERENCES author, code int,
    kind text NOT NULL, CHECK (code > 0));
INSERT INTO doc SELECT n, 1 + n % 100, n, 'k' || n % 1500 FROM generate_series(1, 9000) n;
CREATE INDEX first ON doc (code); CREATE INDEX twin ON doc (code);
CREATE INDEX idle ON doc (id, code);
CREATE INDEX half ON doc (code, kind); CREATE INDEX "worn out" ON doc (kind) WHERE code < 0;
ALTER TABLE doc ADD CONSTRAINT short CHECK (length(kind) < 9) NOT VALID;
ANALYZE;
CREATE TABLE fresh AS SELECT n FROM generate_series(1, 3000) n;
UPDATE doc SET code = code;
"""
EXPECTED = {
    "dead_tuples", "duplicate_indexes", "integer_overflow", "invalid_indexes", "missing_index",
    "missing_statistics", "unindexed_foreign_keys", "unused_indexes", "unvalidated_constraints",
}  # fmt: skip
# A role that may read no table sees neither its values nor its statistics.
HIDDEN = {"integer_overflow", "missing_statistics", "missing_index"}
LIMITS = {
    "UNUSED_INDEX_MIN_DAYS": 0.0, "UNUSED_INDEX_MIN_BYTES": 0, "DEAD_MIN_ROWS": 1_000,
    # What made the database is most of what happened there.
    "INDEX_CANDIDATES": 3, "INDEX_MIN_SHARE": 0.0, "INDEX_MAX_WRITE_SHARE": 1e6,
}  # fmt: skip


@pytest.fixture(scope="module", params=versions())
def server(request):
    with cluster(request.param, autovacuum="off") as made:
        made.execute("CREATE ROLE owner LOGIN; CREATE ROLE monitor LOGIN IN ROLE pg_monitor")
        yield made


@pytest.fixture
def unblocked(django_db_blocker):
    with django_db_blocker.unblock():
        yield


@pytest.fixture(params=CELLS, ids=":".join)
def cell(request, server):
    """Yield (way, schema, role) with a database of its own that has a problem of each kind."""
    name = sql.Identifier("cell")
    with server.connect() as chief:
        chief.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        chief.execute(sql.SQL("CREATE DATABASE {} OWNER owner").format(name))
        path = sql.SQL("ALTER DATABASE {} SET search_path TO {}, public")
        chief.execute(path.format(name, sql.Identifier(request.param[1])))
    with server.connect(database="cell") as chief:
        chief.execute("CREATE EXTENSION pg_stat_statements; GRANT ALL ON SCHEMA public TO owner")
        chief.execute("SET ROLE owner")
        schema = sql.Identifier(request.param[1])
        chief.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        chief.execute(TABLES)
        chief.execute("RESET ROLE")
        chief.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'half'::regclass")
        tell_counters(chief)
    return request.param


def live(server, user):
    with server.connect(database="cell", user=user) as someone:
        for n in range(30):
            someone.execute(f"SELECT * FROM doc WHERE kind = 'k{n}'")
        tell_counters(someone)


@pytest.mark.slow
@pytest.mark.usefixtures("unblocked")
def test_problems_are_found_and_every_remedy_ends_its_own(cell, server, settings, request):
    way, role = cell[0], cell[2]
    live(server, "owner")
    changes = {"NAME": "cell", "USER": role}
    if way == "pooled":
        port = request.getfixturevalue("pooler")
        changes["PORT"] = port
    with server.alias(**changes) as alias:
        settings.PERFOPS = {**settings.PERFOPS, **LIMITS, "REHEARSE_ON": {alias: alias}}
        report = services.analyse(database=alias, store=False)
        hidden = HIDDEN if role == "monitor" else set()
        if way == "pooled":
            # A rehearsal needs a connection of its own, and says so.
            hidden = {"missing_index"}
            assert any(
                each.source == recommending.SOURCE and "DIRECT_DATABASES" in each.reason
                for each in report.window.missing
            )
        about = [i for i in report.issues if i.advisor in EXPECTED]
        assert {i.advisor for i in about} == EXPECTED - hidden
        assert [e.source for e in report.window.missing if "failed with" in e.reason] == []
        # What is hidden from a role is not healthy: it is named.
        assert bool(report.window.missing) == (way == "pooled" or role != USER)
        with server.connect(database="cell", user="owner" if role == "owner" else USER) as someone:
            for issue in about:
                run(someone, issue.statement)
            tell_counters(someone)
        window = difference.since_reset(snapshot.take(alias))
        left = {i.fingerprint for i in registry.run_advisors(window, services.conf()).issues}
        assert [i.title for i in about if i.fingerprint in left] == []


def run(connection, statement):
    try:
        connection.execute(statement)
    except psycopg.Error as error:
        pytest.fail(f"{statement}: {error}")


@pytest.fixture(scope="module")
def pooler(server):
    with pool(server, USER) as port:
        yield port
