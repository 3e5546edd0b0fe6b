"""Advisors are pure: no illness, no advice; and never a crash on empty statistics."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfops.analysis.advisors import (
    cache_hit_ratio,
    duplicate_indexes,
    frequent_queries,
    registry,
    rows_read,
    sequential_scans,
    slow_queries,
    unsteady_queries,
    unused_indexes,
)
from perfops.analysis.collectors import difference
from perfops.analysis.collectors.records import (
    Database,
    ForeignKey,
    Index,
    Server,
    Statement,
    Table,
)
from perfops.analysis.collectors.snapshot import Snapshot
from perfops.conf import Conf
from tests.perfops.analysis.test_n_plus_one import ORIGIN

DAY_S = 86_400
LIMITS = Conf()
SERVER = Server(180000, "18.0", "midst", "midst", started_at=0.0, now=10.0 * DAY_S)
DATABASE = Database(1000, 0, 10, 0, 0, 0, reset_at=None)
STATEMENT = Statement("1", "SELECT 1", 100, 100.0, 100, 0, 0, 0, 0)
TABLE = Table("public", "big", 100_000, 10**8, 0, 0, 0, 0, 0)
INDEX = Index(
    "public", "big", "big_idx", "CREATE INDEX ...", (2,), 10 * 1024**2, 0, None, 0, 0,
    has_duty=False, is_partial=False,
)  # fmt: skip


def window(**parts):
    parts = {name: tuple(part) if isinstance(part, list) else part for name, part in parts.items()}
    return difference.since_reset(
        Snapshot(taken_at=10.0 * DAY_S, server=SERVER, **{"database": DATABASE, **parts})
    )


def changed(record, **changes):
    return msgspec.structs.replace(record, **changes)


def test_all_four_are_found_by_their_files():
    assert {advisor.ID for advisor in registry.every()} >= {
        "cache_hit_ratio", "sequential_scans", "slow_queries", "unused_indexes",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("mean_ms", "severity"), [(1, None), (49.9, None), (50, "warning"), (500, "error")]
)
def test_a_slow_mean_is_told_by_the_thresholds(mean_ms, severity):
    slow = changed(STATEMENT, total_ms=100.0 * mean_ms)
    found = slow_queries.run(window(statements=[slow]), LIMITS)
    assert [advice.severity for advice in found] == ([severity] if severity else [])


def test_a_count_of_a_whole_table_is_no_matter_of_an_index():
    count = changed(
        STATEMENT, text='SELECT COUNT(*) AS "__count" FROM "shop_order"', total_ms=60_000.0,
        blocks_hit=10**8,
    )  # fmt: skip
    sender = msgspec.structs.replace(
        ORIGIN, queryids=("1",), name="GET /admin/shop/order/", function="shop.admin.OrderAdmin"
    )
    seen = replace(window(statements=[count]), origins=(sender,))
    for advisor in (slow_queries, rows_read):
        (advice,) = advisor.run(seen, LIMITS)
        assert "show_full_result_count = False" in advice.remedy
        assert "GET /admin/shop/order/ (shop.admin.OrderAdmin)" in advice.remedy
        assert "WHERE" not in advice.remedy
        narrow = changed(count, text=f"{count.text} WHERE x = $1")
        (advice,) = advisor.run(window(statements=[narrow]), LIMITS)
        assert "show_full_result_count" not in advice.remedy


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("FETCH 100 FROM c1", "fetch_size"), ("MOVE 5 IN c1", "its DECLARE names"),
        ("/* app */ CALL refresh($1)", "log_nested_statements"), ("copy t from stdin", "COPY FROM"),
        ("DECLARE c1 CURSOR FOR SELECT 1", "after FOR"), ("PREPARE p AS SELECT $1", "EXECUTE"),
        ("REFRESH MATERIALIZED VIEW v", "pg_get_viewdef"), ("COMMIT", "atomic()"),
        ("VACUUM t", "log_lock_waits"), ("CREATE INDEX ON t (a)", "maintenance_work_mem"),
        ("SET search_path = a", "ALTER ROLE"),
    ],
)  # fmt: skip
def test_what_has_no_plan_is_not_told_to_be_explained(text, says):
    seen = changed(
        STATEMENT, text=text, calls=10**8, total_ms=10.0**11, stddev_ms=10.0**5,
        blocks_hit=10**12, rows=1,
    )  # fmt: skip
    for advisor in (slow_queries, rows_read, unsteady_queries, frequent_queries):
        (advice,) = advisor.run(window(statements=[seen]), LIMITS)
        assert says in advice.remedy
        for planned in ("SELECT 1", "WITH a AS (SELECT 1) TABLE a", "CREATE TABLE a AS SELECT 1"):
            (advice,) = advisor.run(window(statements=[changed(seen, text=planned)]), LIMITS)
            assert advice.remedy.startswith(("Look at", "An index", "EXPLAIN it", "If a loop"))


def test_a_rare_statement_is_no_slow_query():
    rare = changed(STATEMENT, calls=9, total_ms=9_000.0)
    assert slow_queries.run(window(statements=[rare]), LIMITS) == []


def test_a_statement_that_takes_most_of_a_busy_database_is_a_hint():
    seconds = window().seconds
    busy = changed(STATEMENT, calls=10**8, total_ms=seconds * 1000 * 0.2)
    (advice,) = slow_queries.run(window(statements=[busy]), LIMITS)
    assert advice.severity == "info"


@pytest.mark.parametrize(
    ("changes", "ill"),
    [
        ({}, True),
        ({"scans": 1}, False),
        ({"has_duty": True}, False),
        ({"bytes": 1000}, False),
        ({"last_scan_at": 9.5 * DAY_S}, False),
        ({"last_scan_at": 1.0 * DAY_S}, True),
    ],
)
def test_an_unused_index_is_one_without_scan_or_duty(changes, ill):
    found = unused_indexes.run(window(indexes=[changed(INDEX, **changes)]), LIMITS)
    assert bool(found) == ill
    if ill:
        assert found[0].statement == 'DROP INDEX CONCURRENTLY "public"."big_idx";'


def test_the_only_index_under_a_foreign_key_stays():
    key = ForeignKey("public", "big", "fk", (2,))
    alone = window(indexes=[INDEX], foreign_keys=[key])
    assert unused_indexes.run(alone, LIMITS) == []
    other = changed(INDEX, name="other", columns=(2, 3), scans=5)
    both = window(indexes=[INDEX, other], foreign_keys=[key])
    assert [a.object for a in unused_indexes.run(both, LIMITS)] == ["public.big_idx"]


def test_an_index_that_stays_for_another_one_stands_for_its_scans():
    """The planner uses one of two that are the same: without both its statements are slower."""
    idle = changed(INDEX, oid=7, keys=("2 1 0 0",))
    busy = changed(idle, oid=8, name="twin", scans=400)
    twins = window(indexes=[idle, busy])
    assert [each.object for each in duplicate_indexes.run(twins, LIMITS)] == ["public.twin"]
    assert unused_indexes.run(twins, LIMITS) == []
    both_idle = window(indexes=[idle, changed(busy, scans=0)])
    told = [*duplicate_indexes.run(both_idle, LIMITS), *unused_indexes.run(both_idle, LIMITS)]
    assert [each.object for each in told] == ["public.twin", "public.big_idx"]


def test_young_statistics_condemn_no_index():
    young = changed(DATABASE, reset_at=5.0 * DAY_S)
    assert unused_indexes.run(window(database=young, indexes=[INDEX]), LIMITS) == []


def test_a_name_is_quoted_in_the_statement():
    evil = changed(INDEX, name='x"; DROP TABLE users; --')
    (advice,) = unused_indexes.run(window(indexes=[evil]), LIMITS)
    assert advice.statement == 'DROP INDEX CONCURRENTLY "public"."x""; DROP TABLE users; --";'


@pytest.mark.parametrize(
    ("changes", "ill"),
    [
        ({"sequential_scans": 60, "sequential_rows": 6_000_000}, True),
        ({"sequential_scans": 49, "sequential_rows": 4_900_000}, False),
        ({"sequential_scans": 60, "sequential_rows": 6_000}, False),
        ({"sequential_scans": 60, "sequential_rows": 60_000, "rows": 1_000}, False),
    ],
)
def test_a_large_table_that_is_read_whole_is_told(changes, ill):
    found = sequential_scans.run(window(tables=[changed(TABLE, **changes)]), LIMITS)
    assert bool(found) == ill


@pytest.mark.parametrize(
    ("hit", "read", "severity"),
    [(9_900, 100, None), (9_400, 600, "warning"), (8_000, 2_000, "error"), (1, 99, None)],
)
def test_the_hit_ratio_follows_the_budgets(hit, read, severity):
    database = changed(DATABASE, blocks_hit=hit, blocks_read=read)
    found = cache_hit_ratio.run(window(database=database), LIMITS)
    assert [advice.severity for advice in found] == ([severity] if severity else [])


counts = st.integers(0, 10**12)
statements = st.builds(
    Statement, st.text(max_size=5), st.text(max_size=30), counts, st.floats(0, 1e9), counts,
    counts, counts, counts, counts,
)  # fmt: skip
tables = st.builds(
    Table, st.just("s"), st.text(max_size=9), counts, counts, counts, counts, counts, counts, counts
)
indexes = st.builds(
    Index, st.just("s"), st.just("t"), st.text(max_size=9), st.just(""),
    st.lists(st.integers(0, 5), max_size=3).map(tuple), counts, counts,
    st.none() | st.floats(0, 1e6), counts, counts, st.booleans(), st.booleans(),
)  # fmt: skip


@given(
    st.lists(statements, max_size=4), st.lists(tables, max_size=4), st.lists(indexes, max_size=4)
)
def test_whatever_the_statistics_say_advice_is_whole_and_worst_first(some, other, more):
    found = registry.run_advisors(
        window(statements=some, tables=other, indexes=more), LIMITS
    ).issues
    order = ["error", "warning", "info"]
    assert [a.severity for a in found] == sorted((a.severity for a in found), key=order.index)
    for advice in found:
        assert advice.title
        assert advice.why
        assert advice.remedy
        assert len(advice.fingerprint) == 64


@given(st.floats(50, 400), st.floats(1, 10))
def test_a_worse_mean_is_never_told_milder(mean_ms, factor):
    def severity(ms):
        (advice,) = slow_queries.run(
            window(statements=[changed(STATEMENT, total_ms=100 * ms)]), LIMITS
        )
        return ["info", "warning", "error"].index(advice.severity)

    assert severity(mean_ms) <= severity(mean_ms * factor)
