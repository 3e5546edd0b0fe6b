"""Recommendations are right on real workloads: each makes them read fewer blocks.

All of the workloads are in ``benchmarks/index_advice.py``, with times and on all servers.
"""

import re

import pytest

from tests.perfops.indexes.workloads import WORKLOADS, Workload

QUICK = [pytest.param(workload, id=workload.name) for workload in WORKLOADS if workload.is_quick]
# hypopg knows B-trees alone, and is told fewer of them: the benchmark has them all.
_PLANNED = {
    "equality", "newest of a large group", "what is cancelled", "a rare value", "covering",
    "two tables lack one each", "one index for three", "by its key", "too many writes",
}  # fmt: skip
PLANNED = [each for each in QUICK if each.id in _PLANNED]
# Those that a rehearsal alone can prove come with the slow tests, but for some of each kind.
_OFTEN = {"equality", "a part of a word", "too many writes"}
REHEARSED = [
    pytest.param(
        workload, id=workload.name, marks=() if workload.name in _OFTEN else pytest.mark.slow
    )
    for workload in WORKLOADS
    if workload.is_quick
]
# A statement that touches this share of the blocks is really better off.
MOST_BLOCKS = 0.7


def check(outcome, workload):
    found = outcome.candidates
    for pattern in workload.cured_by:
        assert any(re.search(pattern, each) for each in found), (pattern, found, outcome.advised)
    for each in found:
        assert any(re.search(pattern, each) for pattern in workload.cured_by), each
    if found:
        assert outcome.after.blocks <= MOST_BLOCKS * outcome.before.blocks, outcome
        made = {given.index.name for given in outcome.advised.accepted}
        assert made & outcome.after.indexes, (made, outcome.after)
    assert not outcome.advised.missing


@pytest.mark.parametrize("workload", REHEARSED)
def test_rehearsed_advice_cures_the_workload_or_there_is_none(workload, embedded):
    outcome = embedded.tried(workload, embedded.limits())
    check(outcome, workload)
    kinds = {given.kind for given in outcome.advised.accepted}
    assert kinds <= {"rehearsed"}


@pytest.mark.parametrize("workload", PLANNED)
def test_advice_planned_with_hypopg_cures_the_workload_or_there_is_none(workload, with_hypopg):
    outcome = with_hypopg.tried(workload, with_hypopg.limits())
    check(outcome, workload)
    kinds = {given.kind for given in outcome.advised.accepted}
    assert kinds <= {"planned"}


def test_what_hypopg_can_not_imagine_is_rehearsed_beside_it(with_hypopg):
    tags = next(workload for workload in WORKLOADS if workload.name == "tags that hold")
    outcome = with_hypopg.tried(tags, with_hypopg.limits())
    check(outcome, tags)
    assert {given.kind for given in outcome.advised.accepted} == {"rehearsed"}


def test_a_parameter_outside_of_a_comparison_keeps_no_statement_from_its_index(with_hypopg):
    """What Django writes for Coalesce(Sum), TruncDay, Substr and Case: no column has its values."""
    statements = (
        ("SELECT COALESCE(SUM(total), %s) FROM orders WHERE customer_id = %s",
         lambda n: [0, 1 + n * 13]),
        ("SELECT DATE_TRUNC(%s, at AT TIME ZONE %s) FROM events WHERE kind = %s",
         lambda n: ["day", "UTC", n]),
        ("SELECT SUBSTRING(name, %s, %s) FROM customers WHERE email = %s",
         lambda n: [1, 3, f"Person{n + 1}@example.com"]),
        ("SELECT CASE WHEN amount > %s THEN %s ELSE %s END FROM items WHERE order_id = %s",
         lambda n: [5, "many", "few", 1 + n * 31]),
    )  # fmt: skip
    advised = with_hypopg.advise(Workload("odd", statements), with_hypopg.limits())
    found = {str(each.candidate).partition(" INCLUDE")[0] for each in advised.accepted}
    assert found == {
        "public.orders (customer_id)", "public.events (kind)", "public.customers (email)",
        "public.items (order_id)",
    }  # fmt: skip
    assert advised.notes == ()


def test_there_are_at_least_thirty_workloads():
    assert len(WORKLOADS) >= 30
    assert len(PLANNED) == len(_PLANNED)
    assert len({workload.name for workload in WORKLOADS}) == len(WORKLOADS)
    assert sum(not workload.cured_by for workload in WORKLOADS) >= 10
