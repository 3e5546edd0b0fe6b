"""Which index does what another one does: keys with order, operator class, collation, predicate."""

import pytest

from perfops.analysis.advisors import registry
from perfops.analysis.collectors import difference, snapshot
from perfops.conf import Conf
from perfops.indexes import catalog, ddl, hypopg, impact, recommending, rehearsal
from perfops.indexes.records import Candidate, Clock, Fixed, Key, Query
from tests.perfops.analysis.problems import shapes
from tests.perfops.indexes.workloads import Workload, none, one

DUPLICATES, KEYS = "duplicate_indexes", "unindexed_foreign_keys"
TWENTY_THOUSAND = "generate_series(1, 20000) n"


def advised(bench, workload):
    return [str(e.candidate) for e in bench.advise(workload, bench.limits()).accepted]


def detected(bench, advisor, **limits):
    bench.cursor.execute("ANALYZE")
    window = difference.since_reset(snapshot.take(bench.alias))
    return registry.run_advisors(window, Conf(**limits), only=[advisor]).issues


def test_an_index_of_another_operator_class_is_not_redundant(own):
    own.cursor.execute(
        "CREATE TABLE part (id int, code text, ts timestamptz);"
        "CREATE INDEX by_pattern ON part (code text_pattern_ops);"
        "CREATE INDEX by_time ON part (code, ts); CREATE INDEX plain ON part (code)"
    )
    (found,) = detected(own, DUPLICATES)
    assert found.object == "public.plain"


def test_a_proved_index_is_known_again_whoever_makes_it_under_whatever_name(own):
    own.cursor.execute(
        'CREATE TABLE "Odd post" (id int, old int, state varchar(9), "Made" timestamptz,'
        " done bool);"
        'ALTER TABLE "Odd post" DROP COLUMN old;'
        f"INSERT INTO \"Odd post\" SELECT n, 'a' || n % 9, now(), n % 7 = 0 FROM {TWENTY_THOUSAND};"
        'ANALYZE "Odd post"'
    )
    name = ("public", "Odd post")
    keys = (Key("state", function="upper"), Key("Made", descending=True, nulls="last"))
    where = (Fixed("done", "true"), Fixed("state", "value", "a1"))
    candidate = Candidate(name, keys, include=("id",), where=where)
    text = "SELECT count(*) FROM \"Odd post\" WHERE upper(state) = 'A1' AND done AND state = 'a1'"
    query = Query("1", text, 9, 9.0, 1.0, (), {}, frozenset({name}), sets=({},))
    tables = catalog.tables(own.cursor, [name])
    clock = Clock(60.0)
    schema = hypopg.usable_schema(own.cursor)
    (planned,), _ = hypopg.prove(own.cursor, schema, [candidate], [query], clock)
    done = rehearsal.prove(own.alias, [candidate], [query], tables, own.limits())
    assert not recommending._is_built(planned, tables)
    own.cursor.execute(ddl.create(candidate, name="by hand"))
    tables = catalog.tables(own.cursor, [name])
    (there,) = snapshot.take(own.alias).indexes
    for proof in (planned, *done.proofs):
        assert recommending._is_built(proof, tables)
        assert impact.identity(name, proof.definition) == impact.identity_of(there)
    assert len(done.proofs) == 1


def test_a_name_that_hypopg_cuts_within_a_character_costs_its_candidate_alone(own):
    long = "日本語テーブル" * 3
    own.cursor.execute(
        f'CREATE TABLE "{long}" (id int, kind text);'
        f"INSERT INTO \"{long}\" SELECT n, 'k' || n % 3000 FROM {TWENTY_THOUSAND};"
        f'CREATE TABLE post AS SELECT * FROM "{long}"; ANALYZE'
    )
    both = Workload("both", (
        (f'SELECT id FROM "{long}" WHERE kind = %s', lambda n: [f"k{n}"]),
        ("SELECT id FROM post WHERE kind = %s", lambda n: [f"k{n}"]),
    ))  # fmt: skip
    advised = own.advise(both, own.limits(rehearse=False))
    assert [str(each.candidate) for each in advised.accepted] == ["public.post (kind)"]
    assert any(f"public.{long}" in each.objects for each in advised.missing)
    assert {str(e.candidate) for e in own.advise(both, own.limits()).accepted} == {
        "public.post (kind)", f"public.{long} (kind)",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("existing", "statement", "expected"),
    [
        (
            "(created DESC NULLS LAST)",
            "SELECT * FROM post ORDER BY created DESC LIMIT 10",
            "public.post (created)",
        ),
        (
            "(created)",
            "SELECT * FROM post ORDER BY created DESC NULLS LAST LIMIT 10",
            "public.post (created NULLS FIRST)",
        ),
        (
            '(name COLLATE "POSIX")',
            "SELECT * FROM post WHERE name = 'n77'",
            "public.post (name)",
        ),
        ("(name text_pattern_ops)", "SELECT * FROM post ORDER BY name LIMIT 5",
         "public.post (name)"),
    ],
)  # fmt: skip
def test_an_index_that_can_not_serve_silences_no_advice(own, existing, statement, expected):
    own.cursor.execute(
        'CREATE TABLE post (id int, created timestamptz, name text COLLATE "C", body text);'
        "INSERT INTO post SELECT n, CASE WHEN n % 9 > 0 THEN now() - n * interval '1 hour' END,"
        f" 'n' || n, repeat('x', 90) FROM {TWENTY_THOUSAND};"
        f"CREATE INDEX there ON post {existing}; ANALYZE post"
    )
    assert advised(own, one("asked", statement, none)) == [expected]


@pytest.mark.parametrize(
    ("order", "index"),
    [
        ("created DESC NULLS LAST", "created DESC NULLS LAST"),
        ("created DESC NULLS LAST", "created NULLS FIRST"),
        ("created NULLS FIRST", "created DESC NULLS LAST"),
    ],
)
def test_an_index_read_backwards_gives_the_opposite_order(own, order, index):
    own.cursor.execute(
        "CREATE TABLE post (id int, created timestamptz);"
        f"INSERT INTO post SELECT n, now() - n * interval '1 hour' FROM {TWENTY_THOUSAND};"
        f"CREATE INDEX there ON post ({index}); ANALYZE post"
    )
    assert advised(own, one("asked", f"SELECT * FROM post ORDER BY {order} LIMIT 9", none)) == []


def test_an_index_of_rows_that_refer_to_something_serves_its_foreign_key(own):
    own.cursor.execute(
        'CREATE TABLE "User" (a int, b int, PRIMARY KEY (a, b), UNIQUE (a));'
        'CREATE TABLE "Post" (id int PRIMARY KEY, "userId" int REFERENCES "User" (a), x int, y int,'
        ' FOREIGN KEY (x, y) REFERENCES "User" (a, b));'
        'INSERT INTO "Post" SELECT generate_series(1, 20000)'
    )
    few = {"FOREIGN_KEY_MIN_ROWS": 100}
    assert len(detected(own, KEYS, **few)) == 2
    own.cursor.execute(
        'CREATE INDEX single ON "Post" ("userId") WHERE "userId" IS NOT NULL;'
        'CREATE INDEX pair ON "Post" (x, y) WHERE x IS NOT NULL AND y IS NOT NULL'
    )
    assert detected(own, KEYS, **few) == []
    unused = {"UNUSED_INDEX_MIN_BYTES": 0, "UNUSED_INDEX_MIN_DAYS": 0.0}
    assert not {"public.single", "public.pair"} & {
        each.object for each in detected(own, "unused_indexes", **unused)
    }
    own.cursor.execute(
        'DROP INDEX single, pair; CREATE INDEX other ON "Post" ("userId") WHERE x IS NOT NULL;'
        'CREATE INDEX part ON "Post" (x, y) WHERE x IS NOT NULL AND y > 3'
    )
    assert len(detected(own, KEYS, **few)) == 2


def test_shapes_of_indexes_are_told_apart_as_the_docs_say(own):
    """What fails shows the row that belongs into docs/database-analysis.md."""
    own.cursor.execute(shapes.SHAPES)
    taken = snapshot.take(own.alias)
    found = shapes.scores("shapes", taken, shapes.of_shapes(taken))
    assert found["perfops"] == (4, 1.0)
    assert shapes.row("shapes", found) in shapes.DOCS.read_text(encoding="utf-8")
