"""Candidates, and which of them pay."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfops.conf import Conf
from perfops.indexes import candidates, parameters, weighing
from perfops.indexes.records import (
    Candidate,
    Effect,
    Existing,
    Fixed,
    Key,
    Need,
    Proof,
    Query,
    Slot,
    WriteCosts,
    Writes,
)
from tests.perfops.indexes.test_shapes import column, table

NAME = ("public", "orders")
ORDERS = table(
    "orders", column("id", distinct=100_000.0), column("customer", distinct=5000.0),
    column("state", "text", distinct=3.0, common=(("done", 0.9), ("paid", 0.09), ("new", 0.004))),
    column("at", "timestamp", width=8),
    column("open", "boolean", common=(("f", 0.99), ("t", 0.01))),
    column("body", "text", width=500),
)  # fmt: skip
TABLES = {NAME: ORDERS}
LIMITS = Conf()
PERIOD = weighing.Period(total_ms=10_000.0, of_writes=1.0)


def query(number="1", *needs, calls=100, total_ms=5000.0, **options):
    given = {
        "rows_per_call": 1.0, "slots": {}, "tables": frozenset({NAME}),
        "text": f"SELECT {number}",
    }  # fmt: skip
    return Query(number, calls=calls, total_ms=total_ms, needs=needs, **{**given, **options})


def propose(*needs, **options):
    given = {"most": 12, "min_rows": 1000, "trigrams": "gin_trgm_ops"}
    queries = [query(str(n), need) for n, need in enumerate(needs)]
    return [str(c) for c in candidates.propose(queries, TABLES, **{**given, **options})]


def proof(candidate, *effects, size=1_000_000):
    return Proof(candidate, "planned", "cost", size, None, effects)


def index(*columns, **options):
    return Candidate(NAME, tuple(map(Key, columns)), **options)


def choose(proofs, queries, *, on=ORDERS, limits=LIMITS, period=PERIOD):
    return split(weighing.choose(proofs, queries, {NAME: on}, period, limits))


def split(decided):
    """Return the accepted and the rejected."""
    return (
        [each for each in decided if each.status == "accepted"],
        [each for each in decided if each.status == "rejected"],
    )


def test_equality_comes_before_range_and_the_selective_column_first():
    found = propose(Need(NAME, equal=(Key("state"), Key("customer")), ranges=("at",)))
    assert "public.orders (customer, state, at)" in found
    assert not any(each.startswith("public.orders (at") for each in found)


def test_what_is_generated_when_it_is_read_can_be_in_no_index():
    virtual = replace(ORDERS.columns["customer"], is_virtual=True)
    on = replace(ORDERS, columns={**ORDERS.columns, "customer": virtual})
    need = Need(NAME, equal=(Key("customer"), Key("state")), used=frozenset({"customer", "state"}))
    found = candidates.of_need(need, on, trigrams="")
    assert [str(each) for each in found] == []
    plain = candidates.of_need(replace(need, equal=(Key("state"),)), on, trigrams="")
    assert [str(each) for each in plain] == ["public.orders (state)"]


def test_a_descending_order_is_an_ascending_index_read_backwards():
    assert propose(Need(NAME, sorts=(Key("at", True), Key("id", True)))) == [
        "public.orders (at, id)"
    ]
    assert propose(Need(NAME, sorts=(Key("at", True), Key("id")))) == [
        "public.orders (at, id DESC)"
    ]


def test_a_rare_predicate_makes_a_part_and_a_common_one_does_not():
    rare = propose(Need(NAME, equal=(Key("customer"),), fixed=(Fixed("open", "true"),)))
    assert "public.orders (customer) WHERE open" in rare
    common = propose(Need(NAME, equal=(Key("customer"),), fixed=(Fixed("open", "false"),)))
    assert common == ["public.orders (customer)"]


def test_narrow_columns_are_carried_along_and_wide_ones_are_not():
    narrow = Need(NAME, equal=(Key("customer"),), used=frozenset({"customer", "at"}))
    assert "public.orders (customer) INCLUDE (at)" in propose(narrow)
    wide = replace(narrow, used=frozenset({"customer", "body"}))
    assert propose(wide) == ["public.orders (customer)"]


def test_what_an_index_does_already_is_not_proposed():
    there = Existing("x", "btree", (Key("customer"), Key("at")), (), "", False, False)
    tables = {NAME: replace(ORDERS, indexes=(there,))}
    found = candidates.propose(
        [query("1", Need(NAME, equal=(Key("customer"),)))], tables,
        most=12, min_rows=1000, trigrams="",
    )  # fmt: skip
    assert found == []


def test_small_tables_get_no_candidate():
    assert propose(Need(NAME, equal=(Key("customer"),)), min_rows=200_000) == []


def test_patterns_need_the_trigram_extension():
    need = Need(NAME, patterns=(Key("body"),))
    assert propose(need) == ["public.orders gin (body)"]
    assert propose(need, trigrams="") == []


def test_two_candidates_are_merged_into_one_that_serves_both():
    small, large = index("state"), index("customer", "state", "at")
    assert candidates.merged([small, large]) == [index("state", "customer", "at")]


column_names = st.sampled_from(["id", "customer", "state", "at", "open"])
needs = st.builds(
    Need,
    st.just(NAME),
    equal=st.lists(column_names.map(Key), max_size=5, unique=True).map(tuple),
    joined=st.lists(column_names, max_size=2, unique=True).map(tuple),
    ranges=st.lists(column_names, max_size=2, unique=True).map(tuple),
    sorts=st.lists(st.builds(Key, column_names, st.booleans()), max_size=3).map(tuple),
    fixed=st.sets(
        st.builds(Fixed, column_names, st.sampled_from(["null", "true"])), max_size=2
    ).map(lambda found: tuple(sorted(found, key=str))),
)


@given(st.lists(needs, max_size=4))
def test_candidates_are_few_whole_and_without_a_column_twice(given_needs):
    queries = [query(str(n), need) for n, need in enumerate(given_needs)]
    found = candidates.propose(queries, TABLES, most=6, min_rows=1, trigrams="gin_trgm_ops")
    assert len(found) <= 6
    for each in found:
        names = [(key.column, key.function) for key in each.keys]
        assert 1 <= len(names) <= candidates.MOST_KEYS
        assert len(set(names)) == len(names)
        assert not {name for name, _ in names} & set(each.include)


def test_what_saves_enough_is_accepted_oneed_with_what_it_saves():
    (accepted_one,), rejected = choose(
        [proof(index("customer"), Effect("1", 100, 5, True))], [query()]
    )
    assert rejected == []
    assert (
        accepted_one.balance.gain,
        accepted_one.balance.saved_ms,
        accepted_one.balance.share,
    ) == pytest.approx((0.95, 4750, 0.475))


@pytest.mark.parametrize(
    ("effect", "options", "reason"),
    [
        (Effect("1", 100, 5, False), {}, "does not use it"),
        (Effect("1", 100, 80, True), {}, "its statements' time only"),
        (Effect("1", 100, 5, True), {"calls": 3}, "called 3 times only"),
        (Effect("1", 100, 5, True), {"total_ms": 50.0}, "the database's time only"),
        # Quicker while everything is in memory, and touches many times the blocks.
        (Effect("1", 100, 5, True, 10, 1000), {}, "does not use it"),
    ],
)
def test_what_is_not_worth_it_is_rejected_with_the_reason(effect, options, reason):
    accepted, (rejected_one,) = choose([proof(index("customer"), effect)], [query(**options)])
    assert accepted == []
    assert reason in rejected_one.reason


def test_a_table_written_more_than_it_is_read_keeps_its_indexes_few():
    busy = replace(ORDERS, writes=Writes(10_000_000, 0, 0, 0))
    proofs = [proof(index("customer"), Effect("1", 100, 5, True))]
    accepted, (rejected_one,) = choose(proofs, [query()], on=busy)
    assert accepted == []
    assert "written too much" in rejected_one.reason
    # A part that holds few rows costs few writes.
    part = index("customer", where=(Fixed("open", "true"),))
    (accepted_one,), _ = choose([proof(part, Effect("1", 100, 5, True))], [query()], on=busy)
    assert accepted_one.balance.write_ms == pytest.approx(10_000_000 * 0.01 * weighing.WRITE_MS)


def test_updates_that_set_an_indexed_column_lose_hot():
    updated = replace(ORDERS, writes=Writes(0, 1000, 1000, 0))
    update = query("2", calls=30, written=frozenset({"at"}), total_ms=1.0)
    other = query("3", calls=10, written=frozenset({"body"}), total_ms=1.0)
    proofs = [proof(index("customer", "at"), Effect("1", 100, 5, True))]
    (accepted_one,), _ = choose(proofs, [query(), update, other], on=updated)
    assert accepted_one.balance.lost_hot_updates == 750
    proofs = [proof(index("customer"), Effect("1", 100, 5, True))]
    (accepted_one,), _ = choose(proofs, [query(), update, other], on=updated)
    assert accepted_one.balance.lost_hot_updates == 0


def test_the_smaller_of_two_that_save_the_same_is_taken():
    small = proof(index("customer"), Effect("1", 100, 6, True), size=100)
    large = proof(index("customer", include=("at",)), Effect("1", 100, 5, True), size=900)
    (accepted_one,), _ = choose([large, small], [query()])
    assert accepted_one.candidate == small.candidate


def rehearsed(candidate, before, after, *, planned_after, size=1_000_000):
    effect = Effect("1", before, after, True, 1000.0, 850.0, planned_after)
    return Proof(candidate, "rehearsed", "ms", size, 1.0, (effect,), rows=1000)


def test_of_two_indexes_that_differ_by_chance_the_simplest_is_taken():
    """As measured on a busy machine: with each of the three the statement does the same work."""
    plain = rehearsed(index("customer"), 6.6, 5.3, planned_after=900.0)
    covering = rehearsed(index("customer", include=("id",)), 10.3, 6.9, planned_after=880.0)
    longer = rehearsed(index("customer", "id"), 7.2, 4.4, planned_after=880.0, size=900_000)
    accepted, _ = choose([longer, covering, plain], [query()])
    assert [str(each.candidate) for each in accepted] == ["public.orders (customer)"]


def test_what_saves_work_is_taken_though_it_is_not_the_simplest():
    plain = rehearsed(index("customer"), 6.6, 5.3, planned_after=900.0)
    sorted_too = rehearsed(index("customer", "at"), 6.6, 2.2, planned_after=300.0)
    accepted, _ = choose([plain, sorted_too], [query()])
    assert [str(each.candidate) for each in accepted] == ["public.orders (customer, at)"]


def test_an_index_that_leaves_more_to_do_is_no_better_however_a_busy_machine_measured_it():
    """The time of a join's other table is the larger part: its noise hides what is saved here."""
    good = Effect("1", 9.0, 8.9, True, 1000.0, 700.0, 650.0)
    worse = Effect("1", 9.4, 4.7, True, 1000.0, 850.0, 800.0)
    proofs = [
        Proof(index("customer"), "rehearsed", "ms", 1_000_000, None, (good,), rows=40_000),
        Proof(index("id", "customer"), "rehearsed", "ms", 900_000, None, (worse,), rows=40_000),
    ]
    for order in (proofs, proofs[::-1]):
        accepted, _ = choose(order, [query()])
        assert [str(each.proof.candidate) for each in accepted] == ["public.orders (customer)"]
    # What was not run says nothing of another one.
    planned = [
        replace(each, effects=(replace(each.effects[0], blocks_after=None),)) for each in proofs
    ]
    assert weighing.pooled(planned) == planned
    # Nor does one that the planner has for nothing break it.
    free = [proof(index("customer"), Effect("1", 0.0, 0.0, True))]
    assert weighing.pooled(free) == free


def test_one_index_that_serves_two_statements_is_taken_instead_of_two():
    both = proof(index("customer", "state"), Effect("1", 100, 5, True), Effect("2", 100, 4, True))
    first = proof(index("customer"), Effect("1", 100, 5, True), size=100)
    second = proof(index("state"), Effect("2", 100, 60, True), size=100)
    accepted, _ = choose([first, second, both], [query("1"), query("2")])
    assert [accepted_one.candidate for accepted_one in accepted] == [both.candidate]


def test_an_index_that_makes_others_slower_pays_for_that():
    mixed = proof(index("customer"), Effect("1", 100, 5, True), Effect("2", 100, 200, True))
    accepted, (rejected_one,) = choose([mixed], [query("1"), query("2")])
    assert accepted == []
    assert "its statements' time only" in rejected_one.reason


def test_what_writes_cost_is_taken_from_the_rehearsal_where_it_was_measured():
    written = replace(ORDERS, writes=Writes(10_000, 0, 0, 0))
    proof = Proof(index("customer"), "rehearsed", "ms", 1, 1.0)
    measured = replace(proof, costs=WriteCosts(0.02, 0.5))
    assert weighing._write_ms(measured, written, 0.0) == 200.0
    # An update that loses HOT needs entries in all indexes: that is measured by itself.
    assert weighing._write_ms(measured, written, 40.0) == 220.0
    assert weighing._write_ms(replace(proof, costs=WriteCosts(0.02)), written, 50.0) == 201.0
    assert weighing._write_ms(proof, written, 0.0) == pytest.approx(10_000 * weighing.WRITE_MS)


def test_what_it_makes_redundant_is_named():
    there = Existing("small", "btree", (Key("customer"),), (), "", False, False)
    unique = replace(there, name="unique", is_unique=True)
    patterns = replace(there, name="patterns", keys=(Key("customer", opclass="text_pattern_ops"),))
    found = weighing.redundant(index("customer", "at"), [there, unique, patterns])
    assert [each.name for each in found] == ["small"]


@given(
    st.lists(
        st.tuples(st.floats(0.1, 1e6), st.floats(0.1, 1e6), st.booleans()), min_size=1, max_size=6
    )
)
def test_no_set_of_indexes_saves_more_than_there_is(figures):
    queries = [query("1"), query("2")]
    proofs = [
        proof(Candidate(("public", f"t{n}"), (Key("id"),)), Effect("1", before, after, used))
        for n, (before, after, used) in enumerate(figures)
    ]
    tables = {each.candidate.table: ORDERS for each in proofs}
    tables = {name: replace(ORDERS, name=name[1]) for name in tables}
    accepted, _ = split(weighing.choose(proofs, queries, tables, PERIOD, LIMITS))
    assert sum(accepted_one.balance.saved_ms for accepted_one in accepted) <= 5000 * 1.0001


def test_a_rare_value_that_stands_alone_is_told():
    asks = query(slots={1: Slot("value", NAME, "state")}, sets=({1: "new"},), text="$1")
    assert parameters.typical(asks, ORDERS) == {"state": "new"}
    part = candidates.with_values(index("state", "at"), {"state": "new"}, ORDERS)
    assert str(part) == "public.orders (at) WHERE state = 'new'"
    common = replace(asks, sets=({1: "done"},))
    assert parameters.typical(common, ORDERS) == {}


def test_a_value_is_not_told_where_something_else_is_unknown_too():
    slots = {1: Slot("value", NAME, "state"), 2: Slot("low", NAME, "at")}
    asks = query(slots=slots, sets=({1: "new", 2: "x"},), text="$1 $2")
    assert parameters.typical(asks, ORDERS) == {}


@pytest.mark.parametrize(
    ("rows", "limit"),
    [(20.0, 20), (1.0, 1), (3.4, 21), (0.0, 21), (33.4, 67)],
)
def test_the_limit_is_what_a_statement_returns(rows, limit):
    assert parameters.limit(rows) == limit
