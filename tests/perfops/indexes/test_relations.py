"""Partitions, views and extensions elsewhere: what a statement reads is told by its plan."""

from dataclasses import replace

import pytest
from django.db import connections

from perfops.analysis.advisors import registry
from perfops.analysis.advisors.detection import DetectedIssue, IndexSubject
from perfops.analysis.collectors import difference, snapshot
from perfops.conf import Conf
from perfops.indexes import recommending, rehearsal, workload
from perfops.indexes.records import Candidate, Clock, Key
from tests.perfops.analysis.problems import shapes
from tests.perfops.clusters import tell_counters
from tests.perfops.indexes.bench import opened, vacuum
from tests.perfops.indexes.workloads import Workload, none, one

PARTITIONS = """
CREATE TABLE account(id bigint PRIMARY KEY); INSERT INTO account SELECT generate_series(1,100);
CREATE TABLE event(account_id bigint REFERENCES account, at timestamptz NOT NULL)
    PARTITION BY RANGE(at);
CREATE TABLE e24 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE e25 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
"""
EVENTS = """INSERT INTO event SELECT 1+i%100, '2024-01-01'::timestamptz+(i%300)*interval '1 day'
    FROM generate_series(1,60000) i; ANALYZE"""
LOOSE = Conf(UNUSED_INDEX_MIN_BYTES=0, UNUSED_INDEX_MIN_DAYS=0.0)


def detected(bench, *advisors):
    window = difference.since_reset(snapshot.take(bench.alias))
    return registry.run_advisors(window, LOOSE, only=advisors).issues


def test_an_index_of_a_partitioned_table_serves_its_foreign_key(own):
    own.cursor.execute(PARTITIONS + EVENTS)
    own.cursor.execute('ALTER TABLE e25 RENAME TO "e.25"')
    (found,) = detected(own, "unindexed_foreign_keys")
    # Writers of no partition wait: only what holds no rows is indexed at once.
    first, *rest = found.statement.splitlines()
    assert "ON ONLY" in first
    assert sum("CREATE INDEX CONCURRENTLY" in line for line in rest) == 2
    run(own.cursor, found.statement)
    assert detected(own, "unindexed_foreign_keys") == []


def test_of_a_partitioned_table_scans_are_reported_once_with_the_sums_of_its_partitions(own):
    own.cursor.execute(
        PARTITIONS
        + """CREATE TABLE e26 PARTITION OF event
            FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY HASH (account_id);
        CREATE TABLE e26a PARTITION OF e26 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE e26b PARTITION OF e26 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        SELECT pg_stat_reset();"""
        + EVENTS.replace("i%300", "i%1000")
    )
    for _ in range(30):
        own.cursor.execute("SELECT count(*) FROM event WHERE account_id = 7")
    tell_counters(own.cursor)
    window = difference.since_reset(snapshot.take(own.alias))
    limits = replace(LOOSE, SEQ_SCAN_MIN_ROWS=30_000, SEQ_SCAN_MIN_SCANS=30)
    (found,) = registry.run_advisors(window, limits, only=("sequential_scans",)).issues
    assert found.object == "public.event"
    assert found.title.startswith(
        "public.event (60,000 rows in 4 partitions): partitions were read"
    )
    # The planner leaves one of the two by hash out.
    assert found.evidence["sequential scans"] == 90
    (whole,) = [each for each in window.whole_tables if each.table.name == "event"]
    assert whole.table.bytes == sum(part.bytes for part in whole.parts) > 0


def test_of_indexes_of_a_partitioned_table_the_whole_is_reported_and_can_be_dropped(own):
    own.cursor.execute(
        PARTITIONS + "CREATE INDEX short ON event(account_id);"
        "CREATE INDEX long ON event(account_id, at); CREATE INDEX idle ON event(at);" + EVENTS
    )
    found = detected(own, "duplicate_indexes", "unused_indexes")
    assert {(each.advisor, each.object) for each in found} == {
        ("duplicate_indexes", "public.short"), ("unused_indexes", "public.idle"),
    }  # fmt: skip
    # One index is told once: a second DROP of it would fail.
    for each in found:
        own.cursor.execute(each.statement)
    # The one that is left serves the foreign key.
    everything = ("duplicate_indexes", "unused_indexes", "unindexed_foreign_keys")
    assert detected(own, *everything) == []


def accepted(bench, workload, found=()):
    return bench.advise(workload, bench.limits(), found).accepted


def test_statements_through_a_partitioned_table_get_its_index(own):
    own.cursor.execute(PARTITIONS + EVENTS)
    asked = one("asked", "SELECT * FROM event WHERE account_id = %s", lambda n: [n + 1])
    (given,) = accepted(own, asked)
    assert str(given.candidate) == "public.event (account_id)"
    assert given.method == "planned with hypopg"
    assert "partitioned" in given.issue.remedy
    run(own.cursor, given.issue.statement)
    assert accepted(own, asked) == ()


def run(cursor, statements):
    """A line is a statement of its own: CREATE INDEX CONCURRENTLY stands in no transaction."""
    for statement in statements.splitlines():
        cursor.execute(statement)


def test_partitions_below_partitions_are_indexed_one_by_one_and_attached(own):
    own.cursor.execute(
        PARTITIONS
        + """CREATE TABLE "e 26" PARTITION OF event
            FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY HASH (account_id);
        CREATE TABLE "e.26a" PARTITION OF "e 26" FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE "e.26b" PARTITION OF "e 26" FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    """
        + EVENTS
    )
    asked = one("asked", "SELECT * FROM event WHERE account_id = %s", lambda n: [n + 1])
    (given,) = accepted(own, asked)
    created = [line for line in given.issue.statement.splitlines() if line.startswith("CREATE")]
    # Only what holds no rows is indexed at once.
    assert sum("ON ONLY" in line for line in created) == 2
    assert sum("CONCURRENTLY" in line for line in created) == 4
    run(own.cursor, given.issue.statement)
    own.cursor.execute(
        "SELECT count(*), bool_and(indisvalid) FROM pg_partition_tree(%s)"
        " JOIN pg_index ON indexrelid = relid",
        [given.index.name],
    )
    assert own.cursor.fetchone() == (6, True)


def test_an_index_of_a_partitioned_table_that_its_statements_need_stays(own):
    own.cursor.execute(PARTITIONS + "CREATE INDEX busy ON event(account_id);" + EVENTS)
    drops = [drop_of("event", "busy")]
    for statement in ("SELECT * FROM event WHERE account_id = %s",
                      "SELECT * FROM e24 WHERE account_id = %s"):  # fmt: skip
        asked = one("asked", statement, lambda n: [n + 1])
        advised = own.advise(asked, own.limits(INDEX_MIN_CALLS=10**6), drops)
        assert advised.rejected_issues == {drops[0].fingerprint}, statement


DOCUMENTS = """
CREATE TABLE doc (owner int NOT NULL, body text NOT NULL);
INSERT INTO doc SELECT n % 2000, repeat('x', 200) || n FROM generate_series(1, 40000) n;
CREATE VIEW mine AS SELECT owner, body FROM doc; CREATE VIEW again AS SELECT * FROM mine;
"""
VIEWED = one("viewed", "SELECT count(*) FROM again WHERE owner = %s", lambda n: [n], calls=30)


def drop_of(table, name):
    return DetectedIssue(
        "unused_indexes", f"public.{name}", "warning", "unused", "why", "Drop it.",
        statement=f"DROP INDEX public.{name};", index=IndexSubject("public", table, name),
    )  # fmt: skip


def test_an_index_that_is_used_through_a_view_stays(own):
    own.cursor.execute(DOCUMENTS)
    own.cursor.execute("CREATE INDEX plain ON doc (owner); CREATE INDEX wide ON doc (owner, body)")
    own.cursor.execute("VACUUM ANALYZE doc")
    drop = drop_of("doc", "plain")
    limits = own.limits(rehearse=False, INDEX_MIN_CALLS=10**6)
    (rejected,) = own.advise(VIEWED, limits, [drop]).rejected
    assert rejected.issue.fingerprint == drop.fingerprint
    assert [query.text for query in rejected.statements] == [
        "SELECT count(*) FROM again WHERE owner = $1"
    ]
    # Where it may be tried, the trial goes through the view as well.
    own.cursor.execute("DROP INDEX wide")
    (rejected,) = own.advise(VIEWED, own.limits(INDEX_MIN_CALLS=10**6), [drop]).rejected
    assert rejected.reason.startswith("slower without it")


ELSEWHERE = """
CREATE SCHEMA "Mixed"; CREATE SCHEMA "acme.eu";
CREATE TABLE "Mixed"."cost$1" (owner int NOT NULL, "100%" int, CHECK (owner < 9e9));
INSERT INTO "Mixed"."cost$1" SELECT n % 2000, n FROM generate_series(1, 20000) n;
CREATE TABLE "Mixed".child () INHERITS ("Mixed"."cost$1");
CREATE VIEW "acme.eu".mine AS SELECT *, 'Mixed.cost$1' AS said FROM "Mixed"."cost$1";
CREATE VIEW "acme.eu"."my own" WITH (security_barrier) AS SELECT * FROM "acme.eu".mine;
CREATE VIEW "View" AS SELECT * FROM "Mixed"."cost$1" WHERE owner <> 5;
CREATE INDEX plain ON "Mixed"."cost$1" (owner); ANALYZE
"""


FULL_NAMES = ['"Mixed"."cost$1"', 'public."View"', '"acme.eu"."my own"']


@pytest.mark.parametrize("asked", FULL_NAMES)
def test_a_rehearsal_reaches_its_copy_also_by_a_full_name_and_through_views(own, asked):
    """The real table in its place has the index: without a copy, any DROP of it looks harmless."""
    own.cursor.execute(ELSEWHERE)
    text = f"SELECT * FROM {asked} WHERE owner = %s"
    try:
        drop = replace(drop_of("cost$1", "plain"), index=IndexSubject("Mixed", "cost$1", "plain"))
        asking = one("asked", text, lambda n: [n])
        advised = own.advise(asking, own.limits(INDEX_MIN_CALLS=10**6), [drop])
        (rejected,) = advised.rejected
        assert rejected.reason.startswith("slower without it"), rejected
        own.cursor.execute('DROP INDEX "Mixed".plain')
        window = own.window(asking)
        (query,), tables = (
            (read := workload.read(own.cursor, window.statements, most=5)).queries, read.tables,
        )  # fmt: skip
        query = replace(query, sets=({1: "7"},))
        candidate = Candidate(("Mixed", "cost$1"), (Key("owner"),))
        done = rehearsal.prove(own.alias, [candidate], [query], tables, own.limits())
        ((effect,),) = (proof.effects for proof in done.proofs)
        assert effect.is_used
        assert effect.blocks_after < effect.blocks_before
    finally:
        own.cursor.execute('DROP SCHEMA "Mixed", "acme.eu" CASCADE')


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("VIEW", "public.doc (owner)"), ("MATERIALIZED VIEW", "public.seen (owner)")],
)
def test_statements_through_views_get_recommendations(own, kind, expected):
    own.cursor.execute(DOCUMENTS + f"CREATE {kind} seen AS SELECT owner, body FROM doc")
    own.cursor.execute("ANALYZE")
    asked = one("asked", "SELECT body FROM seen WHERE owner = %s", lambda n: [n])
    (given,) = accepted(own, asked)
    assert str(given.candidate) == expected
    own.cursor.execute(given.issue.statement)


def test_an_extension_outside_the_search_path_is_asked_all_the_same(own):
    cursor = own.cursor
    cursor.execute(
        'CREATE SCHEMA extensions; CREATE SCHEMA "Mon"; CREATE EXTENSION pg_trgm SCHEMA extensions;'
        "ALTER EXTENSION hypopg SET SCHEMA extensions;"
        'ALTER EXTENSION pg_stat_statements SET SCHEMA "Mon";'
        "CREATE TABLE files (tenant_id int NOT NULL, name text NOT NULL);"
        "INSERT INTO files SELECT n % 3000, md5(n::text) FROM generate_series(1, 100000) n;"
        "ANALYZE files"
    )
    asked = Workload("asked", (
        ("SELECT * FROM files WHERE tenant_id = %s", lambda n: [n]),
        ("SELECT * FROM files WHERE name LIKE %s", lambda n: [f"%{n}abc{n}%"]),
    ))  # fmt: skip
    try:
        given = accepted(own, asked)
        for each in given:
            cursor.execute(each.issue.statement)
    finally:
        cursor.execute(
            "ALTER EXTENSION hypopg SET SCHEMA public; DROP EXTENSION pg_trgm CASCADE;"
            'ALTER EXTENSION pg_stat_statements SET SCHEMA public; DROP SCHEMA "Mon";'
            "DROP SCHEMA extensions"
        )
    assert {str(each.candidate): each.kind for each in given} == {
        "public.files (tenant_id)": "planned", "public.files gin (name)": "rehearsed",
    }  # fmt: skip


def test_a_statement_that_can_not_be_planned_keeps_what_is_known_of_its_tables_open(own):
    own.cursor.execute(DOCUMENTS + "ANALYZE doc")
    window = own.window(VIEWED)
    read = workload.read(own.cursor, window.statements, most=5)
    (query,) = (replace(each, text="SELECT gone FROM doc", sets=({},)) for each in read.queries)
    (candidate,) = (Candidate(("public", "doc"), (Key("owner"),)),)
    proofs, missing = recommending._prove(
        own.cursor, own.alias, [candidate], [query], read.tables, own.limits(), Clock(60)
    )
    (lacking,) = missing
    assert '1 statement could not be planned, the first as: column "gone"' in lacking.reason
    assert lacking.objects == ("public.doc",)
    assert [proof.effects for proof in proofs] == [()]


def test_a_role_that_may_not_call_hypopg_is_told_so(own):
    cursor = own.cursor
    cursor.execute(
        "REVOKE EXECUTE ON FUNCTION hypopg_create_index(text) FROM public;"
        "CREATE ROLE plain LOGIN; GRANT pg_monitor, pg_read_all_data TO plain;" + DOCUMENTS
    )
    cursor.execute("ANALYZE doc")
    try:
        window = own.window(VIEWED)
        settings = connections[own.alias].settings_dict
        was, settings["USER"] = settings["USER"], "plain"
        advised = recommending.recommend(window, own.alias, [], own.limits(rehearse=False))
        settings["USER"] = was
    finally:
        cursor.execute(
            "GRANT EXECUTE ON FUNCTION hypopg_create_index(text) TO public; DROP OWNED BY plain;"
            "DROP ROLE plain"
        )
    (missing,) = advised.missing
    assert "the role plain may not call" in missing.reason
    assert 'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA "public" TO "plain"' in missing.remedy
    assert missing.objects == ("public.doc",)


@pytest.mark.parametrize(
    ("condition", "parameters"),
    [
        ("at > now() - INTERVAL '3 days'", none),
        ("at BETWEEN DATE '2026-01-03' AND DATE '2026-01-04'", none),
        ("EXTRACT(year FROM at) > 2000 AND owner = 7", none),
        ("owner IN (1,2)", none),
    ],
)
def test_constants_where_no_parameter_may_stand_are_understood(own, condition, parameters):
    own.cursor.execute(
        "CREATE TABLE made (owner int NOT NULL, at timestamp NOT NULL, body text);"
        "INSERT INTO made SELECT n % 4000, now() - n * interval '10 minutes',"
        " repeat('x', 50) FROM generate_series(1, 40000) n; ANALYZE made"
    )
    asked = one("asked", f"SELECT * FROM made WHERE {condition}", parameters)
    advised = own.advise(asked, own.limits())
    assert advised.notes == ()
    assert len(advised.accepted) == 1


def test_what_can_not_be_judged_is_counted_with_its_share_of_the_time(own):
    own.cursor.execute("CREATE TABLE small (n int)")
    asked = Workload("asked", (
        (f"SELECT n /* {'x' * 4000} */ FROM small", none),
        ("SELECT n FROM small WHERE " + "NOT (" * 60 + "n = 1" + ")" * 60, none),
    ))  # fmt: skip
    (note,) = own.advise(asked, own.limits()).notes
    assert "of the time) could not be judged" in note
    assert "the text is cut (1)" in note


def test_tables_behind_views_are_judged_as_the_docs_say(own):
    for statement in shapes.statements(shapes.VIEWS):
        own.cursor.execute(statement)
    vacuum(own.cursor)
    window = own.window(shapes.VIEWED)
    named = shapes.of_views(own, window)
    assert named == {"public.ill_day", "public.ill_note (writer)"}
    found = shapes.scores("views", window.after, named)
    assert found["perfops"] == (2, 1.0)
    assert shapes.row("views", found) in shapes.DOCS.read_text(encoding="utf-8")


def test_no_drop_is_proved_on_a_copy_that_an_open_transaction_keeps_from_being_visible(own):
    """Without the index that answers alone another one seems to do: its copy answers no better."""
    for statement in shapes.statements(shapes.VIEWS):
        own.cursor.execute(statement)
    vacuum(own.cursor)
    window = own.window(shapes.VIEWED)
    settings = connections[own.alias].settings_dict
    with opened(f"{own.alias}_open", settings) as other:
        other.execute("BEGIN; SELECT txid_current()")
        named = shapes.of_views(own, window)
        other.execute("ROLLBACK")
    assert "public.owner_only" not in named
    assert "public.ill_note (writer)" in named


def test_what_rights_hide_is_named_as_the_docs_say(own):
    for statement in shapes.statements(shapes.HIDDEN):
        own.cursor.execute(statement)
    own.cursor.execute("CREATE ROLE monitor LOGIN IN ROLE pg_monitor")
    settings = connections[own.alias].settings_dict
    was, settings["USER"] = settings["USER"], "monitor"
    try:
        own.cursor.execute("GRANT SELECT ON readable TO monitor")
        taken = snapshot.take(own.alias)
    finally:
        settings["USER"] = was
        own.cursor.execute("DROP OWNED BY monitor; DROP ROLE monitor")
    found = shapes.scores("hidden", taken, shapes.of_hidden(taken))
    assert found["perfops"] == (3, 1.0)
    assert shapes.row("hidden", found) in shapes.DOCS.read_text(encoding="utf-8")


def test_a_column_by_which_a_partition_is_partitioned_can_not_become_long(own):
    own.cursor.execute(
        "CREATE TABLE many (id serial, part text) PARTITION BY LIST (part);"
        "CREATE TABLE many_a PARTITION OF many FOR VALUES IN ('a') PARTITION BY HASH (id);"
        "SELECT setval('many_id_seq', 2000000000)"
    )
    (found,) = detected(own, "integer_overflow")
    assert found.statement == ""
    assert "the partition key of many_a" in found.remedy
