"""Advisors at their thresholds, one by one, and what they must never say."""

from dataclasses import replace

import msgspec
import pytest

from perfops.analysis.advisors import (
    blocked_sessions,
    checkpoint_pressure,
    connections,
    duplicate_indexes,
    frequent_queries,
    growth,
    integer_overflow,
    missing_statistics,
    registry,
    replication_lag,
    server_settings,
    unindexed_foreign_keys,
    unsteady_queries,
    unused_indexes,
)
from perfops.analysis.collectors import difference
from perfops.analysis.collectors.records import (
    Checkpoints,
    ForeignKey,
    Statement,
    UnavailableSource,
)
from perfops.analysis.collectors.states import (
    Connections,
    Numbering,
    Prepared,
    Replica,
    Session,
    Setting,
    Slot,
    Unvalidated,
)
from perfops.conf import Conf
from tests.perfops.analysis.test_advisors import DATABASE, DAY_S, INDEX, TABLE, changed, window

LIMITS = Conf()
NOW = 10 * DAY_S
INDEXED = changed(INDEX, keys=("a", "b"), columns=(2, 3), oid=1, scans=5)


def severities(advice):
    return [each.severity for each in advice]


@pytest.mark.parametrize(
    ("better", "object_"),
    [
        ({"oid": 2}, "public.other"),
        ({"oid": 0}, "public.big_idx"),
        ({"has_duty": True, "is_unique": True}, "public.big_idx"),
        ({"keys": ("a", "b", "c"), "columns": (2, 3, 4)}, "public.big_idx"),
        ({"keys": ("b", "a")}, None),
        ({"keys": ("a", "b", "c"), "predicate": "(x > 0)"}, None),
        ({"method": "hash"}, None),
        ({"is_valid": False}, None),
        ({"table": "elsewhere"}, None),
    ],
)
def test_of_two_indexes_the_needless_one_is_named_and_only_that(better, object_):
    other = changed(INDEXED, name="other", **better)
    found = duplicate_indexes.run(window(indexes=[INDEXED, other]), LIMITS)
    assert [a.object for a in found] == ([object_] if object_ else [])


def test_a_chain_of_indexes_never_loses_its_last():
    chain = [
        changed(INDEXED, name=f"i{n}", oid=n, keys=tuple("abc"[: 1 + n // 2])) for n in range(6)
    ]
    doomed = {a.object for a in duplicate_indexes.run(window(indexes=chain), LIMITS)}
    assert {i.qualified for i in chain} - doomed == {"public.i4"}


def test_a_constraints_index_is_never_dropped():
    mine = changed(INDEXED, is_unique=True, has_duty=True, constraint="u")
    other = changed(mine, name="other", is_primary=True, constraint="pk")
    assert duplicate_indexes.run(window(indexes=[mine, other]), LIMITS) == []


@pytest.mark.parametrize(
    ("better", "size", "found"),
    [
        ({"keys": ("a", "b", "c"), "columns": (2, 3, 4)}, 8192, 0),
        ({"keys": ("a", "b", "c"), "columns": (2, 3, 4)}, 10 * 1024**2, 1),
        ({}, 8192, 1),
    ],
)
def test_of_a_packages_needless_indexes_only_those_that_matter_are_told(better, size, found):
    mine = changed(INDEXED, bytes=size, oid=9)
    both = window(indexes=[mine, changed(INDEXED, name="other", **better)])
    advice = duplicate_indexes.run(replace(both, packages={"big": "a.package"}), LIMITS)
    assert severities(advice) == ["warning"] * found
    assert all("installed package a.package: drop it by RunSQL" in a.remedy for a in advice)
    assert len(duplicate_indexes.run(both, LIMITS)) == 1


def test_what_is_missing_or_unused_on_a_packages_table_is_mended_by_hand():
    key = ForeignKey("public", "big", "fk", (7,), names=("k",), referred="p.q")
    theirs = replace(
        window(tables=[TABLE], indexes=[INDEX], foreign_keys=[key]), packages={"big": "a.package"}
    )
    for advisor in (unindexed_foreign_keys, unused_indexes):
        (advice,) = advisor.run(theirs, LIMITS)
        assert "installed package a.package" in advice.remedy
        assert "In Django:" not in advice.remedy


def test_an_index_with_more_columns_keeps_what_it_includes():
    short = changed(INDEXED, keys=("a",), columns=(2,), included=(9,))
    assert duplicate_indexes.run(window(indexes=[short, INDEXED]), LIMITS) == []
    wide = changed(INDEXED, name="wide", included=(9,))
    assert len(duplicate_indexes.run(window(indexes=[short, wide]), LIMITS)) == 1


@pytest.mark.parametrize(
    ("index", "ill"),
    [
        ({"columns": (7, 3)}, False),
        ({"columns": (3, 7)}, True),
        ({"columns": (7,), "is_partial": True, "predicate": "(k IS NOT NULL)"}, False),
        ({"columns": (7,), "is_partial": True, "predicate": "(k > 5)"}, True),
        ({"columns": (7,), "is_valid": False}, True),
    ],
)
def test_a_key_is_served_by_an_index_that_begins_with_it(index, ill):
    key = ForeignKey("public", "big", "fk", (7,), names=('k"x' if ill else "k",), referred="p.q")
    found = unindexed_foreign_keys.run(
        window(tables=[TABLE], indexes=[changed(INDEX, **index)], foreign_keys=[key]), LIMITS
    )
    assert bool(found) == ill
    if ill:
        assert found[0].statement == 'CREATE INDEX CONCURRENTLY ON "public"."big" ("k""x");'


@pytest.mark.parametrize(
    ("last", "severity"), [(0.69, None), (0.7, "warning"), (0.89, "warning"), (0.9, "error")]
)
def test_numbers_run_out_by_the_thresholds(last, severity):
    each = Numbering("s", "t", "id", "integer", "s.t_id_seq", int(last * 2**31) + 9, 2**31 - 1)
    found = integer_overflow.run(window(numberings=[each]), LIMITS)
    assert severities(found) == ([severity] if severity else [])


def test_the_days_left_are_told_by_the_pace_of_the_window():
    def at(taken, last):
        each = Numbering("s", "t", "id", "integer", "", last, 2_000)
        return msgspec.structs.replace(window().after, taken_at=taken, numberings=(each,))

    found = difference.between(at(NOW, 1_600), at(NOW + DAY_S, 1_800))
    (advice,) = integer_overflow.run(found, LIMITS)
    assert advice.evidence["days left at this pace"] == 1.0


@pytest.mark.parametrize(
    ("used", "severity"), [(77, None), (78, "warning"), (92, "warning"), (93, "error")]
)
def test_connections_are_held_against_what_is_not_reserved(used, severity):
    found = connections.run(window(connections=Connections(100, 3, used, 0)), LIMITS)
    assert severities(found) == ([severity] if severity else [])


def test_superusers_may_take_more_than_there_are_for_others():
    (found,) = connections.run(window(connections=Connections(100, 3, 97, 0)), LIMITS)
    assert found.title == "97 of 97 connections are taken (100%)"
    (found,) = connections.run(window(connections=Connections(100, 3, 99, 0)), LIMITS)
    text = "99 of 100 (3 of them reserved for superusers) connections are taken"
    assert found.title == text


@pytest.mark.parametrize(
    ("aliases", "workers", "ill"), [(1, 17, False), (1, 18, True), (2, 9, True)]
)
def test_the_plan_is_processes_times_threads_and_workers_for_each_alias(aliases, workers, ill):
    limits = Conf(WEB_PROCESSES=8, WEB_THREADS=10, TASK_WORKERS=workers)
    found = connections.run(window(connections=Connections(100, 3, 5, 0, aliases)), limits)
    assert [a.object for a in found] == (["connections planned"] if ill else [])
    if ill:
        assert found[0].evidence["at most"] == (80 + workers) * aliases


@pytest.mark.parametrize(
    ("replica", "severity"),
    [
        (Replica("r", "streaming", 0, 29.0), None),
        (Replica("r", "streaming", 0, 30.0), "warning"),
        (Replica("r", "streaming", 2**30, None), "warning"),
        (Replica("", "streaming", 0, 300.0), "error"),
        (Replica("", "streaming", 0, 0.0, silent_s=60.0), None),
        (Replica("", "streaming", 0, 0.0, silent_s=300.0), "error"),
        (Replica("", "cut off", 0, None), "error"),
        (Replica("", "archive", 0, 5.0), None),
    ],
)
def test_a_replica_is_late_by_time_or_by_size(replica, severity):
    found = replication_lag.run(window(replicas=[replica]), LIMITS)
    assert severities(found) == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("slot", "ill"),
    [
        (Slot("s", "logical", True, 2**40, "extended", 0), False),
        (Slot("s", "logical", False, 2**20, "reserved", 0), False),
        (Slot("s", "logical", False, 2**31, "extended", 0), True),
        (Slot("s", "logical", True, 0, "lost", 0), True),
    ],
)
def test_a_slot_that_nobody_reads_or_that_has_lost_its_wal_is_an_error(slot, ill):
    found = replication_lag.run(window(slots=[slot]), LIMITS)
    assert severities(found) == (["error"] if ill else [])


@pytest.mark.parametrize(
    ("timed", "requested", "ill"), [(0, 4, False), (0, 5, True), (9, 8, False), (7, 8, True)]
)
def test_checkpoints_press_when_more_are_asked_for_than_timed(timed, requested, ill):
    found = checkpoint_pressure.run(
        window(checkpoints=Checkpoints(timed, requested, 0, 0, 0, 0, 0)), LIMITS
    )
    assert bool(found) == ill


def setting(name, value, unit=""):
    return Setting(name, value, unit, "default")


def test_defaults_are_told_to_a_large_database_only():
    settings = [
        setting("shared_buffers", "16384", "8kB"), setting("random_page_cost", "4"),
        setting("work_mem", "4096", "kB"), setting("fsync", "on"),
    ]  # fmt: skip
    assert server_settings.run(window(settings=settings), LIMITS) == []
    large = changed(DATABASE, bytes=50 * 1024**3, temp_bytes=10**13)
    found = server_settings.run(window(settings=settings, database=large), LIMITS)
    assert [a.object for a in found] == ["shared_buffers", "work_mem", "random_page_cost"]


def test_a_setting_that_waits_for_a_restart_is_a_hint():
    waiting = msgspec.structs.replace(setting("wal_buffers", "-1"), needs_restart=True)
    assert severities(server_settings.run(window(settings=[waiting]), LIMITS)) == ["info"]


def session(pid, *blocked_by, seconds=60.0, **changes):
    return msgspec.structs.replace(
        Session(pid, "d", "u", f"app{pid}", "", "active", seconds, seconds, seconds, "", "",
                blocked_by), **changes,
    )  # fmt: skip


def test_the_one_at_the_head_of_the_queue_is_blamed():
    queue = [session(1), session(2, 1), session(3, 2), session(4, 3, 1), session(5)]
    (advice,) = blocked_sessions.run(window(sessions=queue), LIMITS)
    assert advice.title.startswith("u app1 holds up 3 sessions")
    assert "pg_terminate_backend" not in advice.statement


def test_a_circle_of_waiters_and_a_holder_out_of_sight_are_no_endless_loop():
    circle = [session(1, 2), session(2, 1), session(3, 99)]
    assert len(blocked_sessions.run(window(sessions=circle), LIMITS)) == 3


def test_growth_needs_two_looks_and_both_size_and_share():
    def at(taken, size):
        return msgspec.structs.replace(
            window(tables=[changed(TABLE, bytes=size)]).after, taken_at=taken
        )

    mb = 1024**2
    assert growth.run(window(tables=[TABLE]), LIMITS) == []
    for before, after, ill in ((1, 60, False), (1000, 1100, False), (100, 170, True)):
        found = growth.run(
            difference.between(at(NOW, before * mb), at(NOW + DAY_S, after * mb)), LIMITS
        )
        assert bool(found) == ill


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({"live": 5_000, "known_columns": 0}, "warning"),
        ({"live": 999, "known_columns": 0}, None),
        ({"live": 5_000, "known_columns": -1}, None),
        ({"live": 5_000, "known_columns": 3}, None),
        ({"live": 30_000, "known_columns": 3, "analyzed_at": NOW - 7200.0,
          "changed_since_analyze": 15_000}, "info"),
        ({"live": 30_000, "known_columns": 3, "analyzed_at": NOW - 60.0,
          "changed_since_analyze": 15_000}, None),
    ],
)  # fmt: skip
def test_statistics_are_missing_or_old(changes, severity):
    found = missing_statistics.run(window(tables=[changed(TABLE, **changes)]), LIMITS)
    assert severities(found) == ([severity] if severity else [])


def test_a_steady_statement_is_steady_however_slow():
    steady = Statement("1", "SELECT 1", 1_000, 900_000.0, 0, 0, 0, 0, 0, stddev_ms=900.0)
    assert unsteady_queries.run(window(statements=[steady]), LIMITS) == []
    odd = changed(steady, total_ms=100_000.0)
    assert len(unsteady_queries.run(window(statements=[odd]), LIMITS)) == 1


def test_a_replica_condemns_no_index():
    before = window(indexes=[INDEX])
    assert unused_indexes.run(before, LIMITS)
    server = changed(before.after.server, in_recovery=True)
    after = msgspec.structs.replace(before.after, server=server)
    assert unused_indexes.run(difference.since_reset(after), LIMITS) == []


def test_an_index_that_only_a_replica_reads_is_in_use_and_one_that_none_does_says_so():
    idle = window(indexes=[INDEX])
    on_replica = {"reader": {INDEX.oid: 3}}
    assert unused_indexes.run(replace(idle, replica_scans=on_replica), LIMITS) == []
    on_replica = {"reader": {INDEX.oid: 0}}
    (issue,) = unused_indexes.run(replace(idle, replica_scans=on_replica), LIMITS)
    assert issue.evidence["scans on reader"] == 0


@pytest.mark.parametrize(("since", "text"), [(0.0, "10 days"), (10 * DAY_S - 2520, "42 minutes")])
def test_how_long_an_index_was_not_used_is_said_in_a_unit_that_fits(since, text):
    database = changed(DATABASE, reset_at=since)
    limits = Conf(UNUSED_INDEX_MIN_DAYS=0)
    (issue,) = unused_indexes.run(window(indexes=[INDEX], database=database), limits)
    assert issue.title == f"Index public.big_idx has not been used for {text}"


EVIL = "x\"; DROP TABLE users; --'$"


def test_names_are_quoted_in_every_statement():
    ill = window(
        indexes=[
            changed(INDEX, name=EVIL, is_valid=False),
            changed(INDEXED, name=EVIL, table="t"), changed(INDEXED, name="o", table="t", oid=0),
        ],
        tables=[changed(TABLE, name=EVIL, live=40_000, dead=90_000, xid_age=10**9)],
        foreign_keys=[ForeignKey("public", EVIL, "fk", (9,), names=(EVIL,), referred="a.b")],
        numberings=[Numbering(EVIL, EVIL, EVIL, "integer", "", 99, 100)],
        unvalidated=[Unvalidated(EVIL, EVIL, EVIL, "check")],
        slots=[Slot(EVIL, "logical", False, 2**40, "lost", 0)],
        prepared=[Prepared(EVIL, "o", 10**6)],
    )  # fmt: skip
    statements = [
        a.statement for a in registry.run_advisors(ill, LIMITS).issues if "x" in a.statement
    ]
    assert len(statements) >= 8
    quoted = ('"x""; DROP TABLE users; --\'$"', "'x\"; DROP TABLE users; --''$'")
    for statement in statements:
        bare = statement
        for each in quoted:
            bare = bare.replace(each, "")
        assert "users" not in bare, statement


def test_who_lacks_a_source_is_not_thorough_and_all_others_are():
    lacking = msgspec.structs.replace(
        window().after, missing=(UnavailableSource("bloat", "locked", "", ""),)
    )
    found = registry.run_advisors(difference.since_reset(lacking), LIMITS)
    assert set(registry.titles()) - found.complete == {"bloat"}


def test_only_those_asked_for_speak():
    found = registry.run_advisors(window(indexes=[INDEX]), LIMITS, only=["growth"])
    assert (found.issues, found.complete) == ([], {"growth"})


def test_every_advisor_names_what_it_needs_and_what_it_is():
    for advisor in registry.every():
        assert advisor.__name__.endswith(f".{advisor.ID}")
        assert advisor.TITLE
        assert advisor.NEEDS


@pytest.mark.parametrize(
    ("text", "is_told"),
    [
        ("SELECT $2 FROM shelves WHERE id = $1", True),
        ("SELECT $2 FROM shelves WHERE id = $1 FOR KEY SHARE OF x", True),
        # As PostgreSQL 18 writes its own.
        (
            'SELECT $2 FROM ONLY "t" x WHERE "id" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x',
            False,
        ),
    ],
)
def test_the_check_of_a_foreign_key_is_nobodys_loop(text, is_told):
    calls = LIMITS.FREQUENT_MIN_CALLS * 10_000
    statement = Statement("1", text, calls, 1.0, calls, 0, 0, 0, 0)
    found = frequent_queries.run(window(statements=(statement,)), LIMITS)
    assert bool(found) == is_told
