"""An index is advised to go only where every statement of the workload does as well without it."""

import json
from contextlib import contextmanager
from dataclasses import replace

import pytest
from django.test.utils import CaptureQueriesContext

from perfops.analysis.advisors.detection import DetectedIssue, IndexSubject
from perfops.database import connections as session
from perfops.indexes import drop_rehearsal as dropping
from perfops.indexes import drops, hypopg, recommending
from perfops.indexes import services as service
from perfops.indexes.records import Clock
from tests.perfops.indexes.bench import vacuum
from tests.perfops.indexes.workloads import Workload, none, one

# How it is proved on each: by rehearsal, by rehearsal as its hypopg is too old, by hiding.
SERVERS = [
    "embedded",
    pytest.param("with_hypopg", marks=pytest.mark.slow),
    pytest.param("with_hiding", marks=pytest.mark.slow),
]
SHOP = one("shop", "SELECT * FROM orders WHERE shop_id = %s AND is_gift", lambda n: [1 + n])
COUNT = one("count", "SELECT count(*) FROM orders WHERE shop_id = %s", lambda n: [1 + n % 40])


def drop_of(index):
    return DetectedIssue(
        "unused_indexes", f"public.{index}", "warning", "unused", "why", "Drop it.",
        statement=f'DROP INDEX CONCURRENTLY "public"."{index}";', evidence={"scans": 0},
        index=IndexSubject("public", "orders", index),
    )  # fmt: skip


@pytest.fixture(params=SERVERS)
def bench(request):
    return request.getfixturevalue(request.param)


@contextmanager
def beside(bench, **indexes):
    """Have further indexes on orders for a while: name to what is indexed."""
    for name, what in indexes.items():
        bench.cursor.execute(f"CREATE INDEX {name} ON orders {what}")
    vacuum(bench.cursor)
    try:
        yield
    finally:
        for name in indexes:
            bench.cursor.execute(f"DROP INDEX {name}")


def proved(bench, workload, *names, **given):
    # A recommendation to add indexes is another matter.
    bounds = bench.limits(INDEX_MIN_CALLS=10**6, **given)
    return bench.advise(workload, bounds, [drop_of(name) for name in names])


def fingerprints(*names):
    return {drop_of(name).fingerprint for name in names}


def used(given):
    return [effect for effect in given.effects_as_data() if "before" in effect]


def test_an_index_that_no_statement_uses_can_go(bench):
    others = Workload("others", (("SELECT sum(total) FROM orders", none),))
    (given,) = proved(bench, others, "orders_shop").accepted
    assert given.issue.evidence["proof"] == "none of 1 planned statements of orders uses it"
    assert given.issue.fingerprint == drop_of("orders_shop").fingerprint
    assert (used(given), given.method, given.unit) == ([], "", "")


def test_an_index_whose_scans_no_statement_explains_stays(embedded):
    others = Workload("others", (("SELECT sum(total) FROM orders", none),))
    scanned = replace(drop_of("orders_shop"), evidence={"scans": 959})
    advised = embedded.advise(others, embedded.limits(INDEX_MIN_CALLS=10**6), [scanned])
    assert advised.accepted == ()
    (missing,) = advised.missing
    assert "no planned statement explains its scans" in missing.reason
    nobody = Workload("nobody", (("SELECT 1", none),))
    (given,) = proved(embedded, nobody, "orders_shop").accepted
    assert given.issue.evidence["proof"].startswith("no statement that reads orders was seen")


def test_an_index_that_only_rare_values_of_a_statement_use_stays(bench):
    """Another statement explains its scans, and does as well without it."""
    of_status = ("SELECT note FROM orders WHERE status = %s", lambda n: ["done" if n else "failed"])
    workload = Workload("values", (of_status, ("SELECT count(*) FROM orders", none)))
    with beside(bench, orders_flag="(is_gift)", orders_status="(status)"):
        window = bench.window(workload)
        bounds = bench.limits(INDEX_MIN_CALLS=10**6)
        for scans, rejected in ((0, frozenset()), (959, fingerprints("orders_status"))):
            found = [replace(drop_of("orders_status"), evidence={"scans": scans})]
            advised = recommending.recommend(window, bench.alias, found, bounds)
            assert advised.rejected_issues == rejected, scans


def test_as_much_work_is_not_slower_however_long_a_busy_machine_takes(embedded, monkeypatch):
    """Another small index answers as well; without the first one, time goes by."""
    real = dropping.copying.pairs

    def held_up(*arguments):
        pairs = real(*arguments)
        return [(replace(without, ms=without.ms * 5), usual) for without, usual in pairs]

    monkeypatch.setattr(dropping.copying, "pairs", held_up)
    counts = Workload("counts", (("SELECT count(*) FROM orders", none),))
    with beside(embedded, orders_flag="(is_gift)", orders_status="(status)"):
        advised = [proved(embedded, counts, f"orders_{name}") for name in ("flag", "status")]
    assert all(each.accepted for each in advised)
    # One of them is the one that is used: it was run with and without.
    assert [e for each in advised for given in each.accepted for e in used(given)]


def test_an_index_without_which_a_statement_is_slower_stays(bench):
    advised = proved(bench, SHOP, "orders_shop")
    assert advised.accepted == ()
    assert advised.rejected_issues == fingerprints("orders_shop")
    assert advised.missing == ()


@pytest.mark.parametrize("name", ["orders_shop", "orders_twin"])
def test_of_twins_each_can_go_as_the_other_serves_its_statements_as_well(bench, name):
    with beside(bench, orders_twin="(shop_id, is_gift)"):
        (given,) = proved(bench, SHOP, name).accepted
    # The planner uses one of them; of that one it is shown how its statement does without.
    if used(given):
        assert "use it and do as well without it" in given.issue.evidence["proof"]
        assert f"{given.unit} per call without it" in given.issue.evidence


def test_one_of_the_twins_is_used_and_how_it_was_proved_is_said(bench):
    with beside(bench, orders_twin="(shop_id, is_gift)"):
        each = [proved(bench, SHOP, name).accepted[0] for name in ("orders_shop", "orders_twin")]
    (given,) = [given for given in each if used(given)]
    ways = {"cost": "planned with hypopg", "ms": "rehearsed on a copy of 40,000 rows"}
    assert given.method == ways[given.unit]
    assert given.method in given.issue.evidence["proof"]
    hides = hypopg.hiding_schema(bench.cursor) is not None
    assert given.unit == ("cost" if hides else "ms")
    (effect,) = used(given)
    assert json.loads(json.dumps(effect)) == effect
    assert (effect["blocks_before"] is None) == hides


def test_of_twins_that_are_both_to_go_one_stays(bench):
    with beside(bench, orders_twin="(shop_id, is_gift)"):
        advised = proved(bench, SHOP, "orders_shop", "orders_twin")
    (given,) = advised.accepted
    assert given.index.name == "orders_shop"
    assert advised.rejected_issues == fingerprints("orders_twin")


def test_the_beginning_of_another_index_can_go_when_that_serves_as_well(bench):
    with beside(bench, orders_prefix="(shop_id)"):
        (given,) = proved(bench, SHOP, "orders_prefix").accepted
        assert given.index.name == "orders_prefix"
        advised = proved(bench, COUNT, "orders_prefix")
    assert advised.rejected_issues == frozenset()


def test_the_beginning_of_an_index_so_wide_that_it_serves_badly_stays(bench):
    with beside(bench, orders_prefix="(shop_id)", orders_wide="(shop_id, note, status)"):
        bench.cursor.execute("DROP INDEX orders_shop")
        try:
            advised = proved(bench, COUNT, "orders_prefix")
        finally:
            bench.cursor.execute("CREATE INDEX orders_shop ON orders (shop_id, is_gift)")
    assert advised.rejected_issues == fingerprints("orders_prefix")


@pytest.mark.parametrize("server", ["embedded", "with_hypopg"])
def test_where_nothing_can_be_tried_what_is_planned_with_stays_and_is_said(server, request):
    bench = request.getfixturevalue(server)
    with beside(bench, orders_twin="(shop_id, is_gift, id)"):
        each = [
            proved(bench, SHOP, name, rehearse=False) for name in ("orders_shop", "orders_twin")
        ]
    assert sorted(len(advised.accepted) for advised in each) == [0, 1]
    (kept,) = [advised for advised in each if advised.rejected_issues]
    (missing,) = [m for m in kept.missing if m.source == recommending.DROPS]
    assert "no rehearsal is allowed" in missing.reason
    assert "REHEARSE_ON" in missing.remedy
    (rejected,) = kept.rejected
    assert f"public.{rejected.index.name}" in missing.reason
    # Its finding stays open where there is one; that of a missing index doesn't hang on it.
    coverage = service.coverage(bench.window(SHOP), kept)
    assert not coverage.covers("unused_indexes", rejected.issue.object)
    assert coverage.complete == frozenset(service.TITLES)


@pytest.mark.parametrize("server", ["embedded", "with_hypopg"])
def test_of_two_that_are_the_same_index_one_can_go_without_a_trial(server, request):
    bench = request.getfixturevalue(server)
    with beside(bench, orders_twin="(shop_id, is_gift)"):
        each = [
            proved(bench, SHOP, name, rehearse=False).accepted[0]
            for name in ("orders_shop", "orders_twin")
        ]
    # The planner uses one of them only.
    (given,) = [drop for drop in each if drop.twin]
    assert given.issue.evidence["proof"] == f"{given.twin} is the same index, and stays"
    assert {given.index.name, given.twin} == {"orders_shop", "orders_twin"}


@pytest.mark.parametrize("names", [("orders_shop", "orders_twin"), ("orders_twin", "orders_shop")])
def test_of_twins_that_both_may_go_without_a_trial_one_stays(embedded, names):
    with beside(embedded, orders_twin="(shop_id, is_gift)"):
        advised = proved(embedded, SHOP, *names, rehearse=False)
    assert advised.rejected_issues == fingerprints(names[1])


def test_what_an_index_stands_in_for_stays_also_where_no_statement_explains_the_scans(embedded):
    others = Workload("others", (("SELECT sum(total) FROM orders", none),))
    scanned = replace(drop_of("orders_shop"), evidence={"scans": 959})
    with beside(embedded, orders_twin="(shop_id, is_gift)"):
        advised = embedded.advise(
            others, embedded.limits(INDEX_MIN_CALLS=10**6), [scanned, drop_of("orders_twin")]
        )
    (given,) = advised.accepted
    assert (given.index.name, given.twin) == ("orders_shop", "orders_twin")
    assert advised.rejected_issues == fingerprints("orders_twin")


def test_the_proof_counts_no_statement_that_only_an_index_before_it_served(embedded):
    with beside(embedded, orders_twin="(shop_id, is_gift)", orders_total="(total)"):
        # Of the two that are the same the one that is used goes first.
        name = next(iter(embedded.measured(SHOP).indexes))
        advised = proved(embedded, SHOP, name, "orders_total")
    first, second = (each.issue.evidence["proof"] for each in advised.accepted)
    assert first.startswith("1 of 1 statements of orders use it and do as well without it: ")
    assert second == f"none of 1 planned statements of orders uses it (or would without {name})"


def test_what_costs_little_on_a_few_rows_may_cost_much_on_all(embedded):
    advised = proved(embedded, SHOP, "orders_shop", REHEARSAL_ROWS=20)
    assert advised.rejected_issues == fingerprints("orders_shop")
    assert advised.missing == ()


def test_without_time_to_plan_all_statements_no_index_goes_and_none_is_planned(embedded):
    others = Workload("others", (("SELECT sum(total) FROM orders", none),))
    statements = embedded.window(others).statements
    with session.reading(embedded.alias) as cursor, CaptureQueriesContext(cursor.db) as sent:
        (judged,), lacking = drops.prove(
            cursor,
            embedded.alias,
            [drop_of("orders_shop")],
            statements,
            embedded.limits(),
            Clock(0),
        )
    assert (judged.status, judged.lacks_proof) == ("rejected", True)
    assert "were over before all statements were planned" in lacking
    assert [each["sql"] for each in sent if "EXPLAIN" in each["sql"]] == []


def test_an_index_stays_where_the_planner_knows_what_time_does_not_show(embedded):
    """On 900 narrow rows a scan of all takes a few hundredths of a millisecond more."""
    embedded.cursor.execute("CREATE TABLE narrow (n int, m int);"
                            "INSERT INTO narrow SELECT n, n FROM generate_series(1, 900) n;"
                            "CREATE INDEX narrow_n ON narrow (n); ANALYZE narrow")  # fmt: skip
    try:
        asked = one("asked", "SELECT m FROM narrow WHERE n = %s", lambda n: [n])
        drop = replace(drop_of("narrow_n"), index=IndexSubject("public", "narrow", "narrow_n"))
        limits = embedded.limits(INDEX_MIN_CALLS=10**6)
        (rejected,) = embedded.advise(asked, limits, [drop]).rejected
    finally:
        embedded.cursor.execute("DROP TABLE narrow")
    assert rejected.reason.startswith("slower without it")


def test_a_staging_copy_without_rows_proves_nothing(embedded, with_hypopg):
    staging = with_hypopg.cursor
    staging.execute("ALTER TABLE orders RENAME TO full_orders")
    staging.execute("CREATE TABLE orders (LIKE full_orders INCLUDING ALL)")
    bounds = embedded.limits(rehearse=False, INDEX_MIN_CALLS=10**6)
    bounds = replace(bounds, REHEARSE_ON={embedded.alias: with_hypopg.alias})
    try:
        advised = embedded.advise(SHOP, bounds, [drop_of("orders_shop")])
    finally:
        staging.execute("DROP TABLE orders")
        staging.execute("ALTER TABLE full_orders RENAME TO orders")
    assert advised.rejected_issues == fingerprints("orders_shop")
    (missing,) = advised.missing
    assert missing.source == recommending.DROPS


def test_a_function_with_side_effects_is_not_run_and_its_index_stays(embedded):
    locks = one(
        "locks",
        "SELECT pg_advisory_xact_lock(id) FROM orders WHERE shop_id = %s AND is_gift",
        lambda n: [1 + n],
    )
    with beside(embedded, orders_twin="(shop_id, is_gift, id)"):
        each = [proved(embedded, locks, name) for name in ("orders_shop", "orders_twin")]
    assert sorted(len(advised.rejected_issues) for advised in each) == [0, 1]


def test_a_hypopg_somewhere_else_hides_as_well(with_hiding):
    cursor = with_hiding.cursor
    cursor.execute("CREATE SCHEMA elsewhere")
    cursor.execute("ALTER EXTENSION hypopg SET SCHEMA elsewhere")
    try:
        advised = proved(with_hiding, SHOP, "orders_shop")
    finally:
        cursor.execute("ALTER EXTENSION hypopg SET SCHEMA public")
        cursor.execute("DROP SCHEMA elsewhere")
    assert advised.rejected_issues == fingerprints("orders_shop")


def test_after_the_proof_of_a_drop_every_index_counts_again(with_hiding):
    """What is proposed beside a drop is planned with the indexes that are there."""
    advised = with_hiding.advise(SHOP, with_hiding.limits(), [drop_of("orders_shop")])
    assert (advised.accepted, advised.rejected_issues) == ((), fingerprints("orders_shop"))


def test_an_index_that_is_gone_already_is_not_proved(embedded):
    advised = proved(embedded, SHOP, "no_such")
    assert (advised.accepted, advised.rejected_issues) == ((), frozenset())


def test_a_drop_beside_a_statement_that_can_not_be_read_has_no_migration(bench):
    # Longer than what is kept of a statement.
    unread = one("cut", f"SELECT max(total) /* {'x' * 4000} */ FROM orders", none)
    (given,) = proved(bench, unread, "orders_shop").accepted
    assert "1 could not be planned" in given.issue.evidence["proof"]
    assert given.change is None


def test_unknown_values_are_no_matter_as_there_are_generic_plans(bench):
    # Nobody knows the values of an expression.
    unknown = one("md5", "SELECT * FROM orders WHERE md5(note) = %s", lambda n: [str(n)])
    (given,) = proved(bench, unknown, "orders_shop").accepted
    assert given.issue.evidence["proof"] == "none of 1 planned statements of orders uses it"
    with beside(bench, orders_md5="(md5(note))"):
        advised = proved(bench, unknown, "orders_md5")
    assert advised.rejected_issues == fingerprints("orders_md5")
