"""What a statement asks of its tables is read out of its text."""

import pytest

from perfops.indexes import predicates as shape
from perfops.indexes import texts, workload
from perfops.indexes.records import Column, Fixed, Key, Table, Writes

NONE_WRITTEN = Writes(0, 0, 0, 0)


def column(name, kind="integer", **options):
    given = {"is_array": False, "not_null": True, "width": 4, "null_share": 0.0, "distinct": 10.0}
    return Column(name, kind, **{**given, **options})


def table(name, *columns, rows=100_000, indexes=(), writes=NONE_WRITTEN):
    return Table(
        "public", name, rows, rows * 100, {c.name: c for c in columns}, tuple(indexes), writes
    )


BOOKS = table(
    "books", column("id"), column("author_id"), column("year"), column("title", "text"),
    column("code", "uuid"), column("lent", "boolean"), column("gone", "timestamp"),
    column("tags", "text[]", is_array=True), column("data", "jsonb"),
)  # fmt: skip
AUTHORS = table("authors", column("id"), column("name", "character varying"))
KNOWN = {"books": BOOKS, "authors": AUTHORS}


def resolve(schema, name):
    return KNOWN.get(name)


def read(text):
    return workload.reading_part(texts.parse(text), text)[0]


def need(text, name="books"):
    return next(each for each in shape.needs(read(text), resolve) if each.table[1] == name)


def slots(text):
    return {number: slot.kind for number, slot in shape.slots(read(text), resolve).items()}


def test_equality_range_and_order_are_told_apart():
    found = need(
        'SELECT * FROM "books" WHERE ("books"."author_id" = $1 AND "books"."year" >= $2)'
        ' ORDER BY "books"."gone" DESC LIMIT $3'
    )
    assert found.equal == (Key("author_id"),)
    assert found.ranges == ("year",)
    assert found.sorts == (Key("gone", descending=True),)
    assert found.used is None


@pytest.mark.parametrize(
    ("condition", "fixed"),
    [
        ("gone IS NULL", Fixed("gone", "null")),
        ("gone IS NOT NULL", Fixed("gone", "not null")),
        ("NOT (gone IS NULL)", Fixed("gone", "not null")),
        ("NOT (gone IS NOT NULL)", Fixed("gone", "null")),
        ("lent", Fixed("lent", "true")),
        ("NOT lent", Fixed("lent", "false")),
    ],
)
def test_what_holds_in_every_call_may_be_a_part(condition, fixed):
    assert need(f"SELECT id FROM books WHERE {condition} AND year = $1").fixed == (fixed,)


def test_a_join_gives_each_table_its_own_need():
    text = (
        "SELECT b.title FROM books b JOIN authors a ON a.id = b.author_id"
        " WHERE UPPER(a.name::text) = UPPER($1) AND b.year = $2"
    )
    books, authors = need(text), need(text, "authors")
    assert (books.joined, books.equal) == (("author_id",), (Key("year"),))
    assert (authors.joined, authors.equal) == (("id",), (Key("name", function="upper"),))
    assert books.used == {"title", "author_id", "year"}


def test_a_subquery_takes_the_outer_row_as_a_value():
    text = "SELECT * FROM authors a WHERE EXISTS (SELECT $1 FROM books b WHERE b.author_id = a.id)"
    assert need(text).equal == (Key("author_id"),)


def test_arrays_documents_and_patterns_are_seen():
    found = need(
        "SELECT id FROM books WHERE tags @> $1 AND data @> $2 AND data ? $3"
        " AND title LIKE $4 AND code::text LIKE $5"
    )
    assert found.contains == (Key("tags"), Key("data", opclass="jsonb_path_ops"), Key("data"))
    # A cast of what is no text is another expression.
    assert found.patterns == (Key("title"),)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id FROM books WHERE author_id + $1 = $2",
        "SELECT id FROM books WHERE year <> $1",
        "SELECT id FROM books WHERE author_id = $1 OR year = $2",
        "SELECT id FROM books WHERE data ->> $1 = $2",
    ],
)
def test_what_no_index_serves_is_no_need(text):
    found = need(text)
    assert (found.equal, found.ranges, found.contains, found.patterns) == ((), (), (), ())


def test_a_table_is_looked_for_elsewhere_only_where_its_whole_name_stands():
    names = {("Mixed", "cost$1"), ("public", "books")}
    text = (
        """SELECT b.public.books, 'public.books', "public.books" FROM "Mixed" . "cost$1" c, """
        """PUBLIC.Books b, mixed.books, "Public".books WHERE c."Mixed" = $1"""
    )
    assert texts.moved(text, names, "elsewhere") == text.replace(
        '"Mixed" . "cost$1"', '"elsewhere"."cost$1"'
    ).replace("PUBLIC.Books", '"elsewhere".Books')


@pytest.mark.parametrize(
    ("text", "sorts"),
    [
        ("SELECT max(year) FROM books", (Key("year"),)),
        (
            "SELECT id FROM books ORDER BY year DESC NULLS LAST, id",
            (Key("year", descending=True, nulls="last"), Key("id")),
        ),
        ("SELECT id FROM books ORDER BY year NULLS FIRST", (Key("year", nulls="first"),)),
        ("SELECT id FROM books ORDER BY year DESC NULLS FIRST", (Key("year", descending=True),)),
        ("SELECT id FROM books ORDER BY length(title)", ()),
        ("SELECT b.id FROM books b, authors a ORDER BY b.year, a.name", ()),
    ],
)
def test_an_order_counts_only_where_one_index_gives_it(text, sorts):
    assert need(text).sorts == sorts


def test_updates_and_deletes_look_for_rows_like_a_select():
    assert need("UPDATE books SET year = $1 WHERE author_id = $2").equal == (Key("author_id"),)
    assert need("DELETE FROM books WHERE author_id IN ($1, $2)").equal == (Key("author_id"),)
    text = "SELECT id FROM books WHERE year = $1 FOR UPDATE SKIP LOCKED"
    assert "FOR UPDATE" not in read(text).sql(dialect="postgres")


def test_each_parameter_says_what_may_stand_for_it():
    text = (
        "SELECT $1 AS a FROM books WHERE author_id = $2 AND year BETWEEN $3 AND $4"
        " AND id = ANY($5) AND tags @> $6::text[] AND data @> $7 AND data ? $8 AND title LIKE $9"
        " AND $10 > gone AND author_id IN ($11) LIMIT $12 OFFSET $13"
    )
    assert slots(text) == {
        1: "constant", 2: "value", 3: "low", 4: "high", 5: "list", 6: "array", 7: "document",
        8: "json key", 9: "pattern", 10: "high", 11: "value", 12: "limit", 13: "offset",
    }  # fmt: skip


def test_a_parameter_that_nobody_can_know_has_no_slot():
    assert slots("SELECT id FROM books WHERE length(title) = $1") == {}


@pytest.mark.parametrize(
    "text",
    ["", "SET x = 1", "INSERT INTO books VALUES ($1)", "SELECT FROM WHERE", "BEGIN", "x" * 5000,
     "SELECT * FROM books WHERE year = $1 -- " + "x" * 4000],
)  # fmt: skip
def test_what_can_not_be_read_is_left_out(text):
    assert texts.parse(text) is None
