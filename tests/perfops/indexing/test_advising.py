"""Advice as a whole: what is shown, what is kept back, and what is said to be missing."""

from dataclasses import replace

import msgspec
import pytest

from perfops.advisors.advice import Advice
from perfops.indexing import advising
from tests.perfops.indexing.workloads import Workload, none, one

EQUALITY = one("equality", "SELECT * FROM orders WHERE customer_id = %s", lambda n: [1 + n * 13])
TAGS = one("tags", "SELECT * FROM articles WHERE tags @> %s::text[]", lambda n: [[f"tag{n + 1}"]])


def drop_of(index):
    return Advice(
        "unused_indexes", f"public.{index}", "warning", "unused", "why", "Drop it.",
        statement=f'DROP INDEX CONCURRENTLY "public"."{index}";', evidence={"scans": 0},
    )  # fmt: skip


def test_the_finding_says_what_was_proved_and_how(embedded):
    (given,) = embedded.advise(EQUALITY, embedded.limits()).given
    advice = given.advice
    assert advice.advisor == "missing_index"
    assert advice.object == "public.orders (customer_id)"
    assert advice.severity == "warning"
    assert advice.evidence["proof"] == "rehearsed on a copy of 40,000 rows"
    assert advice.evidence["calls"] == EQUALITY.calls
    assert advice.statement.startswith('CREATE INDEX CONCURRENTLY "orders_customer_id_')
    assert "no model of this project has the table orders" in advice.remedy
    (effect,) = given.effects()
    assert effect["blocks_after"] < effect["blocks_before"]
    assert effect["mean_ms"] > 0


def test_the_same_advice_has_the_same_fingerprint_each_time(embedded, with_hypopg):
    (rehearsed,) = embedded.advise(EQUALITY, embedded.limits()).given
    (planned,) = with_hypopg.advise(EQUALITY, with_hypopg.limits()).given
    assert rehearsed.advice.fingerprint == planned.advice.fingerprint


def test_nothing_is_shown_unproved_and_the_report_says_what_would_prove_it(embedded):
    advised = embedded.advise(EQUALITY, embedded.limits(rehearse=False))
    assert advised.given == ()
    (missing,) = advised.missing
    assert "CREATE EXTENSION hypopg" in missing.mend


def test_hypopg_alone_leaves_gin_indexes_unproved_and_says_so(with_hypopg):
    both = Workload("both", (*EQUALITY.statements, *TAGS.statements))
    advised = with_hypopg.advise(both, with_hypopg.limits(rehearse=False))
    assert [str(given.offer.candidate) for given in advised.given] == [
        "public.orders (customer_id)"
    ]
    (missing,) = advised.missing
    assert "GIN" in missing.reason
    assert "REHEARSE_ON" in missing.mend


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_without_time_there_is_no_advice(embedded, seconds):
    window = embedded.window(EQUALITY)
    bounds = replace(embedded.limits(), INDEX_ADVICE_S=seconds)
    assert advising.advise(window, embedded.alias, [], bounds) == advising.Advised()


def test_a_server_that_is_gone_is_missing_and_nothing_breaks(embedded):
    window = embedded.window(EQUALITY)
    settings = embedded.cursor.db.settings_dict
    was = settings["PORT"]
    try:
        settings["PORT"] = 1
        advised = advising.advise(window, embedded.alias, [], embedded.limits())
    finally:
        settings["PORT"] = was
    assert advised.given == ()
    (missing,) = advised.missing
    assert missing.source == "index advice"


def test_a_drop_that_no_statement_minds_comes_with_its_proof(embedded):
    # Another table's statement, and one of this table that goes another way.
    others = Workload("others", (*TAGS.statements, ("SELECT sum(total) FROM orders", none)))
    (given,) = embedded.advise(others, embedded.limits(INDEX_MIN_CALLS=999), [
        drop_of("orders_shop")
    ]).given  # fmt: skip
    assert given.offer is None
    assert given.index == ("public", "orders_shop")
    assert given.advice.evidence["proof"] == "none of 1 planned statements of orders uses it"
    assert given.advice.fingerprint == drop_of("orders_shop").fingerprint


@pytest.mark.parametrize("server", ["embedded", "with_hypopg"])
def test_a_drop_that_a_statement_minds_is_refuted(server, request):
    bench = request.getfixturevalue(server)
    uses = one("shop", "SELECT * FROM orders WHERE shop_id = %s AND is_gift", lambda n: [1 + n])
    advised = bench.advise(uses, bench.limits(), [drop_of("orders_shop")])
    assert advised.given == ()
    assert advised.refuted == {drop_of("orders_shop").fingerprint}


def test_an_index_that_is_gone_already_is_not_proved(embedded):
    advised = embedded.advise(TAGS, embedded.limits(INDEX_MIN_CALLS=999), [drop_of("no_such")])
    assert (advised.given, advised.refuted) == ((), frozenset())


def test_a_hundred_thousand_statements_are_read_in_bounds(embedded):
    window = embedded.window(EQUALITY)
    (statement,) = [s for s in window.statements if "customer_id" in s.text]
    many = tuple(
        msgspec.structs.replace(statement, queryid=str(n), text=f"SELECT {n} FROM t{n}", total_ms=0)
        for n in range(100_000)
    )
    window = replace(window, statements=(*many, statement))
    (given,) = advising.advise(window, embedded.alias, [], embedded.limits()).given
    assert str(given.offer.candidate) == "public.orders (customer_id)"


def test_a_drop_beside_a_statement_that_can_not_be_planned_has_no_migration(with_hypopg):
    # Nobody knows the length, and 15 plans nothing without it.
    unknown = one("length", "SELECT * FROM orders WHERE length(note) = %s", lambda n: [n])
    bounds = with_hypopg.limits(INDEX_MIN_CALLS=999)
    (given,) = with_hypopg.advise(unknown, bounds, [drop_of("orders_shop")]).given
    assert "1 could not be planned" in given.advice.evidence["proof"]
    assert given.change is None


def test_where_generic_plans_are_had_unknown_values_are_no_matter(embedded):
    unknown = one("length", "SELECT * FROM orders WHERE length(note) = %s", lambda n: [n])
    bounds = embedded.limits(INDEX_MIN_CALLS=999)
    (given,) = embedded.advise(unknown, bounds, [drop_of("orders_shop")]).given
    assert given.advice.evidence["proof"] == "none of 1 planned statements of orders uses it"
