"""Snapshots of a real database, and honest differences between them."""

import zlib
from statistics import pstdev

import msgspec
import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from perfops.analysis import snapshots
from perfops.analysis.collectors import difference, snapshot
from perfops.analysis.collectors.records import Database, Server, Statement, StatementsInfo, Table
from perfops.analysis.collectors.snapshot import Snapshot

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def statements_extension():
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


def run(sql, times=1):
    with connection.cursor() as cursor:
        for _ in range(times):
            cursor.execute(sql)


@pytest.mark.usefixtures("statements_extension")
def test_a_statement_is_counted_between_two_looks_and_ours_are_not():
    before = snapshot.take()
    run("SELECT version(), pg_backend_pid(), 42 AS a_statement_of_this_test", times=7)
    window = difference.between(before, snapshot.take())
    assert [s.calls for s in window.statements if "a_statement_of_this_test" in s.text] == [7]
    assert window.covered == 1
    assert not any("perfops */" in s.text for s in window.statements)


def test_tables_indexes_and_keys_are_seen():
    found = snapshot.take()
    assert "public.profiles_profile" in {table.qualified for table in found.tables}
    primary = next(i for i in found.indexes if i.name == "profiles_profile_pkey")
    assert primary.has_duty
    newest = next(i for i in found.indexes if i.name == "profiles_profile_newest")
    assert newest.is_partial
    assert not newest.has_duty
    assert any(key.table == "profiles_profile" for key in found.foreign_keys)


def test_a_snapshot_comes_back_from_its_bytes_as_it_was():
    found = snapshot.take()
    back = snapshots.unpack(snapshots.pack(found, texts=10**6))
    assert back == msgspec.structs.replace(found, sessions=(), prepared=())


def test_bytes_of_another_layout_are_told_from_a_snapshot():
    with pytest.raises(snapshots.NotReadable, match="another layout"):
        snapshots.unpack(b"not a snapshot")
    with pytest.raises(snapshots.NotReadable, match="another layout"):
        snapshots.unpack(zlib.compress(msgspec.msgpack.encode({"taken_at": "soon"})))


def test_looking_does_not_touch_the_callers_transaction():
    from django.db import transaction

    with transaction.atomic():
        run("SET LOCAL statement_timeout = '7s'")
        snapshot.take()
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("7s",)


def test_without_the_extension_the_report_says_so_and_goes_on():
    run("DROP EXTENSION IF EXISTS pg_stat_statements")
    found = snapshot.take()
    assert found.statements is None
    assert found.tables
    (missing,) = found.missing
    assert missing.remedy == "CREATE EXTENSION pg_stat_statements;"


@pytest.mark.usefixtures("statements_extension")
def test_a_role_without_rights_is_told_which_grant_it_lacks(settings):
    run("DROP ROLE IF EXISTS curious")
    run("CREATE ROLE curious LOGIN PASSWORD 'curious'")
    run("GRANT pg_read_all_data TO curious")
    was = connection.settings_dict
    try:
        connection.settings_dict = {**was, "USER": "curious", "PASSWORD": "curious"}
        found = snapshot.take()
    finally:
        connection.settings_dict = was
        run("DROP ROLE curious")
    assert found.tables
    assert 'GRANT pg_read_all_stats TO "curious";' in {each.remedy for each in found.missing}


SERVER = Server(180000, "18.0", "midst", "midst", started_at=0.0, now=0.0)


def look(at, *, calls=0, commits=0, reset=None, statements_reset=1.0, dropped=0, started=0.0):
    return Snapshot(
        taken_at=at,
        server=msgspec.structs.replace(SERVER, started_at=started),
        database=Database(commits, 0, commits, 0, 0, 0, reset_at=reset),
        statements=(Statement("1", "SELECT 1", calls, calls * 2.0, calls, 0, 0, 0, 0),),
        statements_info=StatementsInfo(statements_reset, dropped),
    )


def test_counters_are_subtracted():
    window = difference.between(look(100, calls=10, commits=5), look(160, calls=25, commits=9))
    assert (window.seconds, window.covered) == (60, 1)
    assert (window.statements[0].calls, window.statements[0].total_ms) == (15, 30)
    assert window.database.commits == 4


def test_a_reset_begins_a_new_epoch_and_the_report_says_how_much_is_covered():
    window = difference.between(look(100, calls=50), look(200, calls=3, statements_reset=175.0))
    assert window.statements[0].calls == 3
    assert window.covered == pytest.approx(0.25)
    assert "pg_stat_statements was reset" in window.notes[0]


def test_a_crash_that_emptied_the_statistics_is_noticed():
    window = difference.between(look(100, commits=50), look(200, commits=3, started=150.0))
    assert window.database.commits == 3
    assert window.covered == pytest.approx(0.5)


def test_thrown_away_statements_are_mentioned():
    window = difference.between(look(100), look(200, dropped=4))
    assert any("pg_stat_statements.max" in note for note in window.notes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": 170004, "name": "17.4"}, "went from 17.4 to 18.0"),
        ({"identity": "another/1"}, "another server answers"),
    ],
)
def test_another_server_or_version_has_nothing_to_be_subtracted_from(changes, says):
    before = look(100, calls=50, commits=50)
    before = msgspec.structs.replace(
        before,
        server=msgspec.structs.replace(before.server, **{"identity": "one/1", **changes}),
    )
    after = look(200, calls=60, commits=60, started=150.0)
    after = msgspec.structs.replace(
        after, server=msgspec.structs.replace(after.server, identity="one/1")
    )
    window = difference.between(before, after)
    assert says in window.notes[0]
    assert (window.statements[0].calls, window.database.commits) == (60, 60)
    assert window.covered == pytest.approx(0.5)


def test_a_table_that_was_made_anew_counts_from_its_making():
    def at(taken, oid, scans):
        table = Table("s", "t", 0, 0, scans, 0, 0, 0, 0, oid=oid)
        return msgspec.structs.replace(look(taken), tables=(table,))

    same = difference.between(at(100, 1, 5), at(200, 1, 9))
    anew = difference.between(at(100, 1, 5), at(200, 2, 9))
    assert (same.tables[0].sequential_scans, anew.tables[0].sequential_scans) == (4, 9)


def test_a_statement_met_again_after_it_was_thrown_away_is_counted_anew():
    def at(taken, calls, since):
        statement = Statement("1", "SELECT 1", calls, calls * 2.0, 0, 0, 0, 0, 0, since=since)
        return msgspec.structs.replace(look(taken), statements=(statement,))

    assert difference.between(at(100, 5, 50), at(200, 9, 50)).statements[0].calls == 4
    assert difference.between(at(100, 5, 50), at(200, 9, 150)).statements[0].calls == 9


@given(
    st.lists(st.floats(0.01, 1000), min_size=1, max_size=20),
    st.lists(st.floats(0.01, 1000), min_size=1, max_size=20),
)
def test_the_deviation_of_a_window_is_that_of_its_own_calls(earlier, later):
    def of(times):
        return Statement("1", "", len(times), sum(times), 0, 0, 0, 0, 0, stddev_ms=pstdev(times))

    before = msgspec.structs.replace(look(100), statements=(of(earlier),))
    after = msgspec.structs.replace(look(200), statements=(of(earlier + later),))
    (found,) = difference.between(before, after).statements
    assert found.calls == len(later)
    assert found.stddev_ms == pytest.approx(pstdev(later), rel=1e-3, abs=0.05)


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))
def test_no_difference_is_ever_negative(calls, later_calls, commits, later_commits):
    window = difference.between(
        look(100, calls=calls, commits=commits), look(200, calls=later_calls, commits=later_commits)
    )
    assert all(s.calls > 0 and s.total_ms >= 0 for s in window.statements)
    assert window.database.commits >= 0
    assert 0 <= window.covered <= 1
