"""Recommendations as a whole: which are shown, which are held back, which sources were missing."""

from dataclasses import replace

import msgspec
import pytest

from perfops.indexes import recommending
from perfops.indexes.recommendation import Recommendations
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
    assert "CREATE EXTENSION hypopg" in missing.mend


def test_hypopg_alone_leaves_gin_indexes_unproved_and_says_so(with_hypopg):
    both = Workload("both", (*EQUALITY.statements, *TAGS.statements))
    advised = with_hypopg.advise(both, with_hypopg.limits(rehearse=False))
    assert [str(given.candidate) for given in advised.accepted] == ["public.orders (customer_id)"]
    (missing,) = advised.missing
    assert "GIN" in missing.reason
    assert "REHEARSE_ON" in missing.mend


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_without_time_there_is_no_advice(embedded, seconds):
    window = embedded.window(EQUALITY)
    bounds = replace(embedded.limits(), INDEX_ADVICE_S=seconds)
    assert recommending.recommend(window, embedded.alias, [], bounds) == Recommendations()


def test_a_server_that_is_gone_is_missing_and_nothing_breaks(embedded):
    window = embedded.window(EQUALITY)
    settings = embedded.cursor.db.settings_dict
    was = settings["PORT"]
    try:
        settings["PORT"] = 1
        advised = recommending.recommend(window, embedded.alias, [], embedded.limits())
    finally:
        settings["PORT"] = was
    assert advised.accepted == ()
    (missing,) = advised.missing
    assert missing.source == "index advice"


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
