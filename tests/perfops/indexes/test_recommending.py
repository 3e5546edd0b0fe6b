"""Recommendations as a whole: which are shown, which are held back, which sources were missing."""

from dataclasses import replace
from types import SimpleNamespace

import msgspec
import pytest
from django.db import connections

from perfops.indexes import recommending, services
from tests.perfops.clusters import pool
from tests.perfops.indexes import bench
from tests.perfops.indexes.workloads import Workload, one

EQUALITY = one("equality", "SELECT * FROM orders WHERE customer_id = %s", lambda n: [1 + n * 13])
TAGS = one("tags", "SELECT * FROM articles WHERE tags @> %s::text[]", lambda n: [[f"tag{n + 1}"]])


def test_the_finding_says_what_was_proved_and_how(embedded):
    (given,) = embedded.advise(EQUALITY, embedded.limits()).accepted
    advice = given.issue
    assert advice.advisor == "missing_index"
    assert advice.object == "public.orders (customer_id)"
    assert advice.severity == "warning"
    assert advice.evidence["proof"] == "rehearsed on a copy of 40,000 rows"
    assert advice.evidence["calls"] == EQUALITY.calls
    assert advice.evidence["write cost"]
    assert advice.statement.startswith('CREATE INDEX CONCURRENTLY "orders_customer_id_')
    assert "no model of this project has the table orders" in advice.remedy
    (effect,) = given.effects_as_data()
    assert effect["blocks_after"] < effect["blocks_before"]
    assert effect["mean_ms"] > 0


def test_the_same_advice_has_the_same_fingerprint_each_time(embedded, with_hypopg):
    (rehearsed,) = embedded.advise(EQUALITY, embedded.limits()).accepted
    (planned,) = with_hypopg.advise(EQUALITY, with_hypopg.limits()).accepted
    assert rehearsed.issue.fingerprint == planned.issue.fingerprint


def test_nothing_is_shown_unproved_and_the_report_says_what_would_prove_it(embedded):
    advised = embedded.advise(EQUALITY, embedded.limits(rehearse=False))
    assert advised.accepted == ()
    (missing,) = advised.missing
    assert "CREATE EXTENSION hypopg" in missing.remedy


def test_hypopg_alone_leaves_gin_indexes_unproved_and_says_so(with_hypopg):
    both = Workload("both", (*EQUALITY.statements, *TAGS.statements))
    advised = with_hypopg.advise(both, with_hypopg.limits(rehearse=False))
    assert [str(given.candidate) for given in advised.accepted] == ["public.orders (customer_id)"]
    (missing,) = advised.missing
    assert "GIN" in missing.reason
    assert "REHEARSE_ON" in missing.remedy


@pytest.mark.parametrize(
    "limits", [{"INDEX_ADVICE_S": 0.0}, {"INDEX_ADVICE_S": 1e-4}, {"REHEARSAL_S": 0.0}]
)
def test_without_time_there_is_no_advice_and_none_is_resolved(embedded, limits):
    window = embedded.window(EQUALITY)
    bounds = replace(embedded.limits(), **limits)
    advised = recommending.recommend(window, embedded.alias, [], bounds)
    assert advised.accepted == ()
    coverage = services.coverage(window, advised)
    assert not coverage.covers("missing_index", "public.orders (customer_id)")
    # What was applied is measured all the same.
    assert coverage.covers("index_impact", "public.orders")


def test_an_index_that_writes_make_too_dear_is_named(embedded):
    """Below 0 every write is too many: a table that is only read has none."""
    bounds = replace(embedded.limits(), INDEX_MAX_WRITE_SHARE=-1.0)
    advised = recommending.recommend(embedded.window(EQUALITY), embedded.alias, [], bounds)
    assert advised.accepted == ()
    (note,) = [each for each in advised.notes if "would help" in each]
    assert "public.orders (customer_id)" in note
    assert "--since" in note


def test_a_table_that_can_not_be_rehearsed_costs_itself_alone(embedded):
    cursor = embedded.cursor
    cursor.execute(
        "CREATE FUNCTION touchy(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';"
        "CREATE TABLE broken AS SELECT n, n % 500 AS kind FROM generate_series(1, 20000) n;"
        "CREATE INDEX ON broken (touchy(n)); ANALYZE broken;"
        "CREATE OR REPLACE FUNCTION touchy(int) RETURNS int IMMUTABLE LANGUAGE sql"
        " AS 'SELECT $1 / ($1 - 5)';"
        # An old row that breaks a check which is not validated is no hindrance.
        "ALTER TABLE orders ADD CONSTRAINT later CHECK (total > 1) NOT VALID"
    )
    both = Workload("both", (
        *EQUALITY.statements, ("SELECT * FROM broken WHERE kind = %s", lambda n: [n + 1]),
    ))  # fmt: skip
    window = embedded.window(both)
    try:
        advised = recommending.recommend(window, embedded.alias, [], embedded.limits())
    finally:
        cursor.execute(
            "DROP TABLE broken; DROP FUNCTION touchy; ALTER TABLE orders DROP CONSTRAINT later"
        )
    assert [str(e.candidate) for e in advised.accepted] == ["public.orders (customer_id)"]
    (missing,) = advised.missing
    assert (missing.objects, "division by zero" in missing.reason) == (("public.broken",), True)
    coverage = services.coverage(window, advised)
    assert not coverage.covers("missing_index", "public.broken (kind)")
    assert coverage.covers("missing_index", "public.articles (author_id)")


@pytest.fixture
def gone(embedded, monkeypatch):
    """The server with statements to serve, as if it had gone since they were read."""
    window = embedded.window(EQUALITY)
    monkeypatch.setitem(embedded.cursor.db.settings_dict, "PORT", 1)
    return window


class ElsewhereRouter:
    """Migrates nothing to other aliases than the default one, as projects with replicas do."""

    def allow_migrate(self, db, app_label, **hints):
        return db == "default"


def test_through_a_pool_of_one_connection_no_second_one_is_asked_for(with_hypopg, settings, caplog):
    """Whether a read replica is behind the alias is asked on a connection of its own."""
    settings.DATABASE_ROUTERS = [ElsewhereRouter()]
    caplog.set_level("INFO", logger="perfops")
    window = with_hypopg.window(EQUALITY)
    server = connections[with_hypopg.alias].settings_dict
    behind = SimpleNamespace(port=server["PORT"])
    with (
        pool(behind, server["USER"]) as port,
        bench.opened("pooled", {**server, "PORT": port}),
    ):
        advised = recommending.recommend(window, "pooled", [], with_hypopg.limits(rehearse=False))
    (given,) = advised.accepted
    assert "no model of this project has the table orders" in given.issue.remedy
    assert caplog.messages == []


def test_a_server_that_is_gone_is_missing_and_nothing_breaks(embedded, gone):
    advised = recommending.recommend(gone, embedded.alias, [], embedded.limits())
    assert advised.accepted == ()
    (missing,) = advised.missing
    assert missing.source == "index advice"


def test_who_asked_for_other_advisors_waits_for_no_rehearsal(embedded, gone):
    """Whoever asks the server now is told that it is gone."""
    found = services.recommend(gone, embedded.alias, [], only=["slow_queries"])
    assert found.issues == []
    assert found.window.missing == gone.missing


def test_a_hundred_thousand_statements_are_read_in_bounds(embedded):
    window = embedded.window(EQUALITY)
    (statement,) = [s for s in window.statements if "customer_id" in s.text]
    many = tuple(
        msgspec.structs.replace(statement, queryid=str(n), text=f"SELECT {n} FROM t{n}", total_ms=0)
        for n in range(100_000)
    )
    window = replace(window, statements=(*many, statement))
    (given,) = recommending.recommend(window, embedded.alias, [], embedded.limits()).accepted
    assert str(given.candidate) == "public.orders (customer_id)"
