"""A rehearsal leaves nothing behind and holds nobody up, however it ends."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from django.db import DatabaseError, connections

from perfops import tasks
from perfops.analysis.collectors.records import Statement
from perfops.indexes import catalog, planning, recommending, rehearsal, scratch, workload
from perfops.indexes import table_copies as copying
from perfops.indexes import table_copies as rehearsals
from perfops.indexes.records import Candidate, Clock, Key
from perfops.indexes.table_copies import harmless
from tests.perfops import programs
from tests.perfops.indexes.workloads import WORKLOADS

PATIENCE_S = 120
STATEMENT = Statement("1", "", 10, 1.0, 10, 0, 0, 0, 0)
PROGRAM = Path(__file__).with_name("rehearse_forever.py")


def named(name):
    return next(each for each in WORKLOADS if each.name == name)


def schemas(cursor):
    cursor.execute(
        "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'perfops\\_rehearsal%' ORDER BY 1"
    )
    return [name for (name,) in cursor.fetchall()]


def until(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.05)
    return found


def running_statement(cursor):
    """The backend that runs the rehearsed statement, once it does."""
    cursor.execute(
        "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND datname = current_database()"
        " AND query LIKE '%EXPLAIN (ANALYZE%orders b%' AND pid <> pg_backend_pid()"
    )
    row = cursor.fetchone()
    return row and row[0]


def has_ended(cursor, pid):
    cursor.execute("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)", [pid])
    return cursor.fetchone() == (True,)


def locks(cursor, pid):
    """The modes in which a backend holds anything of the real tables."""
    cursor.execute(
        "SELECT DISTINCT l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
        " WHERE l.pid = %s AND c.relnamespace = 'public'::regnamespace",
        [pid],
    )
    return {mode for (mode,) in cursor.fetchall()}


def kill_a_rehearsal(bench):
    """Kill a process in the midst of a rehearsal, and return the schema that is left behind."""
    cursor = bench.cursor
    url = "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**cursor.db.settings_dict)
    child = subprocess.Popen(
        [sys.executable, str(PROGRAM), bench.alias, url],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    try:
        pid = until(
            lambda: child.poll() is not None or running_statement(cursor),
            "the rehearsal's statement",
        )
        assert child.poll() is None, "the rehearsal ended before it could be killed"
        assert locks(cursor, pid) <= {"AccessShareLock"}
        left = schemas(cursor)
        assert len(left) == 1
        assert scratch.sweep(cursor) == [], "a rehearsal that is alive must be let alone"
    finally:
        child.kill()
        child.wait()
    # The server notices by itself that nobody waits for the answer. The lock ends with the session,
    # a moment after the statement.
    until(lambda: has_ended(cursor, pid), "the end of the orphaned session")
    assert schemas(cursor) == left
    return left


@pytest.mark.slow
def test_what_a_killed_rehearsal_leaves_is_gone_after_the_next_one(embedded):
    kill_a_rehearsal(embedded)
    embedded.advise(named("equality"), embedded.limits())
    assert schemas(embedded.cursor) == []


@pytest.mark.e2e
def test_what_a_killed_rehearsal_leaves_is_gone_after_a_worker_starts(embedded, tmp_path):
    left = kill_a_rehearsal(embedded)
    with (
        copying.writing(embedded.alias, embedded.limits()) as other,
        scratch.schema(other) as alive,
        worker(embedded, tmp_path / "worker.log") as log,
    ):
        until(lambda: schemas(embedded.cursor) == [alive], "the sweep")
        until(lambda: left[0] in log.read_text(), "a word about it in the log")


@contextmanager
def worker(bench, log):
    """Run a Celery worker that may rehearse on ``bench``, and elsewhere where nobody answers."""
    queue = f"test-{os.getpid()}"
    databases = {bench.alias: connections[bench.alias].settings_dict}
    databases["gone"] = {**databases[bench.alias], "PORT": 1}
    places = {alias: alias for alias in ("gone", bench.alias)}
    lines = [
        "from django.conf import settings",
        f"settings.DATABASES.update({databases!r})",
        f"settings.PERFOPS = {{**settings.PERFOPS, 'REHEARSE_ON': {places!r}}}",
    ]
    child = programs.start_worker(queue, lines, log)
    try:
        yield log
    finally:
        programs.end(child)


def test_a_place_that_does_not_answer_is_not_swept_and_breaks_nothing(embedded, settings, caplog):
    caplog.set_level("INFO")
    settings.PERFOPS = {
        **settings.PERFOPS, "REHEARSE_ON": {"a": embedded.alias, "b": embedded.alias},
    }  # fmt: skip
    was = embedded.cursor.db.settings_dict
    embedded.cursor.execute("CREATE SCHEMA perfops_rehearsal_1_1_dead")
    try:
        embedded.cursor.db.settings_dict = {**was, "PORT": 1}
        assert rehearsals.sweep() == []
        assert "is not swept" in caplog.text
    finally:
        embedded.cursor.db.settings_dict = was
    tasks.sweep_rehearsals()
    assert schemas(embedded.cursor) == []
    assert "perfops_rehearsal_1_1_dead" in caplog.text


def test_a_rehearsal_that_ends_well_leaves_nothing(embedded):
    outcome = embedded.advise(named("equality"), embedded.limits())
    assert outcome.accepted
    assert schemas(embedded.cursor) == []


def test_a_sweep_leaves_schemas_alone_that_only_look_alike(embedded):
    cursor = embedded.cursor
    cursor.execute("CREATE SCHEMA perfops_rehearsal_of_my_own")
    cursor.execute("COMMENT ON SCHEMA perfops_rehearsal_of_my_own IS 'Mine'")
    cursor.execute("CREATE SCHEMA perfopsXrehearsal_1")
    try:
        assert scratch.sweep(cursor) == []
    finally:
        cursor.execute("DROP SCHEMA perfops_rehearsal_of_my_own")
        cursor.execute("DROP SCHEMA perfopsXrehearsal_1")


def test_a_large_table_is_rehearsed_as_a_sample(embedded):
    bounds = embedded.limits(REHEARSAL_ROWS=10_000)
    (given,) = embedded.advise(named("equality"), bounds).accepted
    assert 5_000 < given.rows < 20_000
    # Its size is that of an index on all rows.
    assert given.proof.bytes > 200_000


def test_the_copy_of_a_table_that_was_updated_much_costs_what_the_table_does(own):
    # Each page, of the index as well, is half empty: reading all of it costs more.
    own.cursor.execute(
        "CREATE TABLE loose (id bigint, kind int, note text);"
        "INSERT INTO loose SELECT n, n % 3, 'note ' || n FROM generate_series(1, 6000) n;"
        "CREATE INDEX loose_kind ON loose (kind, id);"
        "UPDATE loose SET note = note || '!', kind = kind"
    )
    own.cursor.execute("VACUUM ANALYZE loose")
    # Nor can an index answer alone for a third of the pages.
    own.cursor.execute("UPDATE loose SET note = note WHERE id % 3000 < 500; ANALYZE loose")
    texts = [
        "SELECT * FROM loose WHERE note = 'a'",
        "SELECT * FROM loose WHERE kind = 1",
        "SELECT kind, id FROM loose ORDER BY kind, id",
    ]
    table = catalog.tables(own.cursor, [("public", "loose")])["public", "loose"]
    real = [planning.planned(own.cursor, text).cost for text in texts]
    with (
        copying.writing(own.alias, own.limits()) as cursor,
        copying.copied(cursor, Clock(PATIENCE_S), table, own.limits()) as copy,
    ):
        costs = [copy.planned(text).cost for text in texts]
    assert costs == pytest.approx(real, rel=0.1)


def test_the_update_that_is_measured_is_hot_without_the_index_alone(own):
    own.cursor.execute(
        "CREATE TABLE parcel (id bigint PRIMARY KEY, place int, low int GENERATED ALWAYS AS (1)"
        " STORED) WITH (fillfactor = 40);"
        "INSERT INTO parcel SELECT n, n % 50 FROM generate_series(1, 3000) n; ANALYZE parcel"
    )
    table = catalog.tables(own.cursor, [("public", "parcel")])["public", "parcel"]
    hot = {}
    with (
        copying.writing(own.alias, own.limits()) as cursor,
        copying.copied(cursor, Clock(PATIENCE_S), table, own.limits()) as copy,
    ):
        cursor.execute(f'CREATE INDEX tried ON "{copy.schema}".parcel (place)')
        cursor.execute("SET track_counts = on")
        assert copying.updated_columns(copy, {"low"}) == ()
        before, text = copying.updating(copy, copying.updated_columns(copy, {"place"}))
        for without in ([], ["tried"]):
            with copying._changing(copy, without):
                for statement in (*before, text):
                    cursor.execute(statement)
                cursor.execute(
                    "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables"
                    " WHERE schemaname = %s AND relname = 'parcel'",
                    [copy.schema],
                )
                hot[bool(without)] = cursor.fetchone()
        costs = copying.write_costs(copy, "tried", {"place"})
    # A thousand updates, then a thousand more without the index: these alone are HOT.
    assert hot == {False: (1000, 0), True: (2000, 1000)}
    assert costs.update_ms is None or (costs.update_ms > 0 and costs.updated == ("place",))


def test_an_update_of_unique_columns_is_measured_with_values_of_rows_that_went(own):
    own.cursor.execute(
        "CREATE TABLE seat (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text,"
        " hall int, row int, spare int, UNIQUE (hall, row), during int4range,"
        " EXCLUDE USING gist (during WITH &&));"
        "CREATE UNIQUE INDEX ON seat (lower(code));"
        "INSERT INTO seat (code, hall, row, spare, during) SELECT 'C' || n, n % 9, n, n % 5,"
        " int4range(n, n + 1) FROM generate_series(1, 3000) n; ANALYZE seat"
    )
    table = catalog.tables(own.cursor, [("public", "seat")])["public", "seat"]
    expected = {
        ("id",): ("id",), ("code",): ("code",), ("row",): ("hall", "row"),
        ("code", "spare"): ("spare",), ("during",): ("during",),
    }  # fmt: skip
    with (
        copying.writing(own.alias, own.limits()) as cursor,
        copying.copied(cursor, Clock(PATIENCE_S), table, own.limits()) as copy,
    ):
        for columns, updated in expected.items():
            assert copying.updated_columns(copy, columns) == updated
            before, update = copying.updating(copy, updated)
            with copying._changing(copy, []):
                for statement in (*before, update):
                    cursor.execute(statement)
                assert cursor.rowcount == 1000


def test_a_statement_whose_time_is_over_leaves_time_to_roll_back(own):
    own.cursor.execute("CREATE TABLE late (id int)")
    table = catalog.tables(own.cursor, [("public", "late")])["public", "late"]
    with (
        copying.writing(own.alias, own.limits()) as cursor,
        copying.copied(cursor, Clock(0.0), table, own.limits()) as copy,
    ):
        # A millisecond would end it, and on a busy machine the ROLLBACK after it.
        assert copying._run(copy, "SELECT pg_sleep(0.05)").ms > 0


def test_a_busy_table_is_not_waited_for(embedded):
    with copying.writing(embedded.alias, embedded.limits()) as other:
        window = embedded.window(named("equality"))
        other.execute("BEGIN")
        other.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        try:
            advised = recommending.recommend(window, embedded.alias, [], embedded.limits())
        finally:
            other.execute("ROLLBACK")
    assert advised.accepted == ()
    assert schemas(embedded.cursor) == []


def test_statements_with_side_effects_are_never_run(embedded):
    texts = [
        "SELECT * FROM orders WHERE id = pg_advisory_lock($1)::text::int",
        "SELECT * FROM orders WHERE customer_id = abs($1)",
    ]
    found = [replace_text(STATEMENT, text) for text in texts]
    queries = workload.read(embedded.cursor, found, most=5).queries
    assert [query.text for query in harmless(embedded.cursor, queries)] == texts[1:]


def replace_text(statement, text):
    return msgspec.structs.replace(statement, text=text, queryid=text)


def test_a_role_that_may_not_make_a_schema_is_told_so(embedded):
    cursor = embedded.cursor
    cursor.execute("CREATE ROLE humble LOGIN PASSWORD 'humble'")
    cursor.execute("GRANT pg_read_all_data, pg_read_all_stats TO humble")
    was = connections[embedded.alias].settings_dict
    window = embedded.window(named("equality"))
    try:
        connections[embedded.alias].settings_dict = {
            **was, "USER": "humble", "PASSWORD": "humble",
        }  # fmt: skip
        advised = recommending.recommend(window, embedded.alias, [], embedded.limits())
    finally:
        connections[embedded.alias].settings_dict = was
        cursor.execute("DROP OWNED BY humble")
        cursor.execute("DROP ROLE humble")
    assert advised.accepted == ()
    (missing,) = advised.missing
    assert "permission denied" in missing.reason


def test_a_candidate_that_can_not_be_built_is_left_out(embedded):
    found = workload.read(
        embedded.cursor,
        [replace_text(Statement("1", "", 10, 1.0, 10, 0, 0, 0, 0), "SELECT * FROM orders")],
        most=1,
    )
    queries = [replace(query, sets=({},)) for query in found.queries]
    wrong = Candidate(("public", "orders"), (Key("no_such_column"),))
    bounds = embedded.limits()
    assert rehearsal.prove(embedded.alias, [wrong], queries, found.tables, bounds).proofs == ()


def test_a_schema_is_dropped_when_the_work_in_it_fails(embedded):
    with (
        copying.writing(embedded.alias, embedded.limits()) as cursor,
        pytest.raises(DatabaseError),
        scratch.schema(cursor),
    ):
        cursor.execute("SELECT 1 / 0")
    assert schemas(embedded.cursor) == []
