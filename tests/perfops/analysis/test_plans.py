"""Plans are read rightly, told apart by shape, and the cause of a change is named."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfops.analysis.plans import causes, tree
from perfops.analysis.plans.causes import Circumstances, Table
from perfops.analysis.plans.explain import numbered


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT %s, %s", "SELECT $1, $2"),
        ("SELECT %(a)s, %(b)s, %(a)s", "SELECT $1, $2, $1"),
        ("x LIKE %s || '%%'", "x LIKE $1 || '%'"),
        ("x LIKE 'a%'", "x LIKE 'a%'"),
        ("SELECT %b, %t", "SELECT $1, $2"),
        ("SELECT '%s'", "SELECT '$1'"),
    ],
)
def test_placeholders_become_postgresqls(text, expected):
    assert numbered(text) == expected


@given(st.text(alphabet="%s(ab)$ '", max_size=30))
def test_no_text_breaks_the_placeholders(text):
    assert isinstance(numbered(text), str)


BEFORE = Circumstances(
    version=150010, settings={"work_mem": "4096"},
    tables={"public.t": Table(1000.0, 5.0, {"i": "CREATE INDEX i"})},
)  # fmt: skip


def after(**changes):
    tabled = {k: v for k, v in changes.items() if k in Table.__struct_fields__}
    table = msgspec.structs.replace(BEFORE.tables["public.t"], **tabled)
    rest = {k: v for k, v in changes.items() if k in Circumstances.__struct_fields__}
    return msgspec.structs.replace(BEFORE, tables={"public.t": table}, **rest)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"indexes": {}}, "Index i of public.t is gone."),
        ({"indexes": {"i": "invalid"}}, "Index i of public.t changed: now invalid."),
        ({"indexes": {"i": "CREATE INDEX i", "j": ""}}, "Index j of public.t is new."),
        ({"settings": {"work_mem": "64"}}, "The setting work_mem went from 4096 to 64."),
        ({"version": 180006}, "PostgreSQL went from version 15.10 to 18.6."),
        ({"rows": 5000.0}, "public.t grew from 1,000 to 5,000 rows."),
        ({"rows": 10.0}, "public.t shrank from 1,000 to 10 rows."),
        ({"analysed_at": 9.0}, "The statistics of public.t were gathered anew."),
    ],
)
def test_the_cause_of_another_plan_is_named(changes, cause):
    assert causes.between(BEFORE, after(**changes)) == [cause]


def test_where_nothing_changed_that_is_watched_it_is_said():
    (said,) = causes.between(BEFORE, after(rows=1001.0))
    assert said.startswith("Nothing that is watched changed")


GATHER = {
    "Node Type": "Gather", "Workers Launched": 1, "Plan Rows": 100, "Total Cost": 50.0,
    "Actual Rows": 90, "Actual Loops": 1, "Actual Total Time": 12.0, "Shared Hit Blocks": 30,
    "Plans": [{
        "Node Type": "Seq Scan", "Parallel Aware": True, "Relation Name": "t", "Schema": "s",
        "Filter": "(a = 1)", "Plan Rows": 5, "Total Cost": 40.0, "Actual Rows": 45,
        "Actual Loops": 2, "Actual Total Time": 10.0, "Rows Removed by Filter": 500,
        "Shared Hit Blocks": 20,
    }],
}  # fmt: skip


def test_below_a_gather_times_of_processes_are_not_added():
    root = tree.read({"Plan": GATHER})
    (scan,) = root.children
    assert (scan.ms, root.self_ms) == (10.0, 2.0)
    assert (scan.rows, scan.rows_planned, scan.removed, scan.misjudged) == (90, 10, 1000, 9.0)
    assert (root.blocks_hit, scan.blocks_hit) == (10, 20)
    assert (scan.kind, scan.target) == ("Parallel Seq Scan", "t")
    assert tree.relations(GATHER) == {("s", "t")}


def scan(**changes):
    return {
        "Node Type": "Seq Scan", "Relation Name": "t", "Schema": "s", "Plan Rows": 100,
        "Total Cost": 40.0, "Actual Rows": 100, "Actual Loops": 1, "Actual Total Time": 0.2,
        **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "kind", "warning"),
    [
        # All of a quick plan's time, and all of a planned one's cost, are nothing wrong.
        ({}, "calm", ""),
        ({"Actual Loops": None}, "calm", ""),
        ({"Actual Total Time": 90.0}, "bad", ""),
        ({"Plan Rows": 1}, "warning", "100 times too few rows"),
        ({"Rows Removed by Filter": 5000}, "warning", "5,000 rows were read and thrown away"),
        ({"Rows Removed by Filter": 150}, "calm", ""),
        ({"Sort Space Type": "Disk", "Sort Space Used": 900}, "warning", "sorted on disk"),
        ({"Actual Loops": 0}, "calm", "never run"),
    ],
)
def test_a_step_has_the_colour_of_what_is_wrong_with_it(changes, kind, warning):
    plan = {name: value for name, value in scan(**changes).items() if value is not None}
    step = tree.draw(tree.read(plan))
    assert step.kind == kind
    assert warning in step.warning
    assert bool(warning) == bool(step.warning)


def test_a_scan_that_a_recommended_index_would_replace_says_so_and_leads_there():
    steps = [tree.draw(tree.read(scan()), {table: "/there/"}) for table in ("s.t", "other.t")]
    assert [(step.kind, step.url) for step in steps] == [("bad", "/there/"), ("calm", "")]
    assert "recommended index" in steps[0].warning


def test_the_fingerprint_knows_shape_not_numbers():
    other_numbers = {**GATHER, "Total Cost": 99.0, "Actual Rows": 1}
    other_shape = {**GATHER, "Plans": [{**GATHER["Plans"][0], "Node Type": "Index Scan"}]}
    assert tree.fingerprint(GATHER) == tree.fingerprint(other_numbers)
    assert tree.fingerprint(GATHER) != tree.fingerprint(other_shape)
    assert tree.fingerprint({"Plan": GATHER}) == tree.fingerprint(GATHER)


NODES = st.recursive(
    st.fixed_dictionaries(
        {"Node Type": st.sampled_from(["Seq Scan", "Limit", "Gather", "Sort", "ModifyTable"])},
        optional={
            "Plan Rows": st.integers(0, 10**6), "Actual Rows": st.integers(0, 10**6),
            "Actual Loops": st.integers(0, 100), "Actual Total Time": st.floats(0, 1e6),
            "Total Cost": st.floats(0, 1e6), "Workers Launched": st.integers(0, 4),
            "Shared Hit Blocks": st.integers(0, 10**6), "Operation": st.just("Insert"),
        },
    ),
    lambda inner: st.builds(
        lambda node, children: {**node, "Plans": children},
        inner, st.lists(inner, max_size=3),
    ),
    max_leaves=10,
)  # fmt: skip


@given(NODES)
def test_any_plan_is_read_and_nothing_is_negative(plan):
    for _, node in tree.read(plan).walk():
        assert node.self_cost >= 0
        assert node.self_ms is None or node.self_ms >= 0
        assert node.misjudged is None or node.misjudged >= 1
        assert min(node.blocks_hit, node.blocks_read, node.removed) >= 0
