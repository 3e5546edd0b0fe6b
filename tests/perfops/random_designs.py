"""What a database of random shape is made of: the same for the same seed and version.

Partitions, inheritance, views, generated columns, domains, names that must be quoted, foreign keys
across schemas, indexes of all kinds, and statements with the values that they are called with.
"""

import json
import random
from dataclasses import dataclass, field

from psycopg import sql

SCHEMAS = ("public", "Mixed", "acme.eu", 'one "two"')
TABLES = (
    "orders",
    "Order Items",
    "select",
    "a.b",
    "Ünïcode",
    "100%",
    "cost$1",
    "it's",
    "x:y",
    'q"q',
)
COLUMNS = (
    "id2", "Name", "group", "a.b", "50%", "it's", "$1", "naïve", "two words", "Über", "state",
    "made_at", "data", 'say "so"', "tags", "owner", "price", "flag",
)  # fmt: skip
ROWS = 3000
PART = "'p' || n % 3"
# Types whose values a statement must name.
NAMED = {"jsonb", "text[]", "uuid", "interval"}
# A value that a statement is called with stands here, until it is known how it is sent.
SLOT = "\0"
SETS = 4


def quoted(*names):
    return sql.Identifier(*names).as_string(None)


def literal(value):
    return sql.Literal(value).as_string(None)


@dataclass
class Kind:
    """A type: how row ``n`` has its value, and how a caller asks for one."""

    type: str
    value: str
    asked: object
    ordered: bool = True


def kinds(rnd, schema):
    distinct = rnd.choice([3, 40, 700, ROWS])
    step = rnd.choice([1, 7919])
    number = f"(n * {step} % {distinct})"

    def pick():
        return rnd.randrange(distinct)

    return [
        Kind("integer", number, pick),
        Kind("bigint", number, pick),
        Kind("text", f"'v' || {number}", lambda: f"v{pick()}"),
        Kind("varchar(40)", f"md5({number}::text)", lambda: "a3"),
        Kind("boolean", f"{number} = 0", lambda: rnd.random() < 0.5, ordered=False),
        Kind("timestamptz", f"'2025-01-01'::timestamptz + {number} * interval '1 hour'",
             lambda: f"2025-01-{1 + pick() % 28:02}"),
        Kind("date", f"'2025-01-01'::date + {number}::int",
             lambda: f"2025-02-{1 + pick() % 28:02}"),
        Kind("numeric(12,2)", f"{number} + 0.5", lambda: pick() + 0.5),
        Kind("jsonb", f"jsonb_build_object('k', {number}, 'name', 'v' || n % 7)",
             lambda: json.dumps({"k": pick()}), ordered=False),
        Kind("text[]", f"ARRAY['t' || {number}, 't' || n % 11]",
             lambda: f"{{t{pick()}}}", ordered=False),
        Kind("uuid", f"md5({number}::text)::uuid", lambda: "c4ca4238-a0b9-2382-0dcc-509a6f75849b"),
        Kind(f"{schema}.mood", f"(ARRAY['sad','ok','Happy'])[1 + n % 3]::{schema}.mood",
             lambda: rnd.choice(["sad", "ok", "Happy"])),
        Kind(f"{schema}.short", f"'v' || {number}", lambda: f"v{pick()}"),
        Kind("interval", f"{number} * interval '1 minute'", lambda: f"{pick()} minutes"),
    ]  # fmt: skip


@dataclass
class Relation:
    schema: str
    name: str
    columns: dict = field(default_factory=dict)
    kind: str = "table"
    # A column is generated from another one and takes no value.
    generated: set = field(default_factory=set)
    partitions: list = field(default_factory=list)
    # Columns that each unique constraint of a partitioned table must have.
    by: tuple = ()
    # Whether a sequence of integers fills its key.
    counted: bool = False

    @property
    def sql(self):
        return quoted(self.schema, self.name)

    def of(self, *types):
        return [n for n, k in self.columns.items() if k.type in types]


class Design:
    """What one seed makes: ``ddl`` in order, and ``statements`` as (text, sets of values)."""

    def __init__(self, seed, version):
        self.rnd = random.Random(seed)
        self.version = int(version)
        self.ddl, self.statements, self.relations, self.made = [], [], [], []
        rnd = self.rnd
        schemas = ["public", *rnd.sample(SCHEMAS[1:], rnd.randint(1, 3))]
        self.home = rnd.choice(schemas)
        self.ddl += [f"CREATE SCHEMA {quoted(s)}" for s in schemas if s != "public"]
        self.ddl += [
            f"CREATE TYPE {quoted(self.home)}.mood AS ENUM ('sad', 'ok', 'Happy')",
            f"CREATE DOMAIN {quoted(self.home)}.short AS text CHECK (length(VALUE) < 40)",
        ]
        for name in rnd.sample(TABLES, rnd.randint(3, 5)):
            self.table(rnd.choice(schemas), name)
        self.foreign_keys()
        for table in list(self.relations):
            for _ in range(rnd.randint(1, 5)):
                self.index(table)
        self.views(schemas)
        self.accidents()
        for _ in range(rnd.randint(8, 14)):
            self.statement()

    def table(self, schema, name):
        rnd = self.rnd
        table = Relation(schema, name)
        pool = kinds(rnd, quoted(self.home))
        for column in rnd.sample(COLUMNS, rnd.randint(3, 7)):
            table.columns[column] = rnd.choice(pool)
        shape = rnd.choice(["table"] * 4 + ["range", "list", "hash", "inherited", "unlogged"])
        key = rnd.choice(
            ["bigint GENERATED BY DEFAULT AS IDENTITY", "serial", "integer", "bigserial"]
        )
        lines = [f"id {key} {'NOT NULL' if shape in {'range', 'list', 'hash'} else 'PRIMARY KEY'}"]
        for column, kind in table.columns.items():
            default = rnd.choice(["", "", " NOT NULL"])
            lines.append(f"{quoted(column)} {kind.type}{default}")
        given = dict(table.columns)
        texts = table.of("text", "varchar(40)")
        if texts and rnd.random() < 0.4:
            stored = "VIRTUAL" if self.version >= 18 and rnd.random() < 0.5 else "STORED"
            lines.append(f"low text GENERATED ALWAYS AS (lower({quoted(texts[0])})) {stored}")
            table.columns["low"] = Kind("text", "", lambda: "v1")
            table.generated.add("low")
        table.kind, table.counted = shape, key == "serial"
        if shape in {"range", "list", "hash"}:
            self.partitioned(table, lines, shape)
        else:
            unlogged = "UNLOGGED " if shape == "unlogged" else ""
            self.ddl.append(f"CREATE {unlogged}TABLE {table.sql} ({', '.join(lines)})")
        self.fill(table.sql, given, lines)
        if shape == "inherited":
            child = quoted(schema, f"{name} child")
            self.ddl.append(f"CREATE TABLE {child} (extra int) INHERITS ({table.sql})")
            self.fill(child, given, lines)
        self.relations.append(table)

    def partitioned(self, table, lines, shape):
        """The key is the row's number: each partition has a third of the rows."""
        by = {"range": "id", "hash": "id", "list": "part"}[shape]
        if shape == "list":
            lines.append("part text NOT NULL")
            table.columns["part"] = Kind(
                "text", "'p' || n % 3", lambda: f"p{self.rnd.randrange(3)}"
            )
        lines.append(f"PRIMARY KEY ({'id' if by == 'id' else 'id, part'})")
        table.by = ("id",) if by == "id" else ("id", "part")
        self.ddl.append(
            f"CREATE TABLE {table.sql} ({', '.join(lines)}) PARTITION BY {shape} ({by})"
        )
        for n in range(3):
            part = quoted(table.schema, f"{table.name} p{n}")
            bounds = {
                "range": f"FOR VALUES FROM ({n * ROWS // 3}) TO ({(n + 1) * ROWS // 3})",
                "hash": f"FOR VALUES WITH (MODULUS 3, REMAINDER {n})",
                "list": f"FOR VALUES IN ('p{n}')",
            }[shape]
            if n == 2 and shape != "hash" and self.rnd.random() < 0.5:
                bounds = "DEFAULT"
            if n == 0 and self.rnd.random() < 0.3:
                self.ddl.append(
                    f"CREATE TABLE {part} PARTITION OF {table.sql} {bounds} PARTITION BY HASH (id)"
                )
                for m in range(2):
                    half = quoted(table.schema, f"{table.name} p0{m}")
                    self.ddl.append(
                        f"CREATE TABLE {half} PARTITION OF {part}"
                        f" FOR VALUES WITH (MODULUS 2, REMAINDER {m})"
                    )
            else:
                self.ddl.append(f"CREATE TABLE {part} PARTITION OF {table.sql} {bounds}")
                table.partitions.append(part)

    def fill(self, name, columns, lines):
        nullable = {c for c in columns if f"{quoted(c)} {columns[c].type}" in lines}
        values = ["n"]
        names = ["id"]
        if any(line.startswith("part ") for line in lines):
            columns = {**columns, "part": Kind("text", PART, None)}
        for column, kind in columns.items():
            value = kind.value
            if column in nullable and self.rnd.random() < 0.4:
                value = f"CASE WHEN n % {self.rnd.choice([2, 3, 50])} = 0 THEN {value} END"
            names.append(quoted(column))
            values.append(value)
        self.ddl.append(
            f"INSERT INTO {name} ({', '.join(names)}) SELECT {', '.join(values)}"
            f" FROM generate_series(1, {ROWS - 1}) n"
        )

    def foreign_keys(self):
        rnd = self.rnd
        referred = [t for t in self.relations if t.kind in {"table", "range", "hash"}]
        for number, table in enumerate(self.relations):
            if not referred or rnd.random() < 0.3 or table.kind == "inherited":
                continue
            target = rnd.choice(referred)
            column = f"ref{number}"
            self.ddl += [
                f"ALTER TABLE {table.sql} ADD COLUMN {column} integer",
                f"UPDATE {table.sql} SET {column} = 1 + id * 31 % 900",
            ]
            valid = " NOT VALID" if table.kind == "table" and rnd.random() < 0.3 else ""
            self.ddl.append(
                f"ALTER TABLE {table.sql} ADD CONSTRAINT {quoted(f'fk {number}')}"
                f" FOREIGN KEY ({column}) REFERENCES {target.sql} (id){valid}"
            )
            table.columns[column] = Kind("integer", "", lambda: 1 + rnd.randrange(900))
            if rnd.random() < 0.4:
                where = rnd.choice(["", f" WHERE {column} IS NOT NULL"])
                self.ddl.append(f"CREATE INDEX ON {table.sql} ({column}){where}")

    def index(self, table):
        rnd = self.rnd
        usable = [(n, k) for n, k in self.stored(table) if k.ordered]
        if not usable:
            return
        if rnd.random() < 0.3 and self.made:
            # The same again, or its beginning.
            on, keys, rest = rnd.choice(self.made)
            keys = keys[: rnd.randint(1, len(keys))]
            self.ddl.append(f"CREATE INDEX ON {on} ({', '.join(keys)}){rest}")
            return
        some = rnd.sample(usable, min(len(usable), rnd.randint(1, 3)))
        keys = [self.key(column, kind) for column, kind in some]
        rest = ""
        if rnd.random() < 0.2:
            rest += f" INCLUDE ({quoted(rnd.choice(self.stored(table))[0])})"
        if rnd.random() < 0.3:
            rest += f" WHERE {self.predicate(table)}"
        is_part = table.partitions and rnd.random() < 0.2
        where = rnd.choice(table.partitions) if is_part else table.sql
        unique = ""
        if rnd.random() < 0.15:
            unique, keys = "UNIQUE ", [*map(quoted, table.by or ("id",)), *keys]
        self.ddl.append(f"CREATE {unique}INDEX ON {where} ({', '.join(keys)}){rest}")
        self.made.append((where, keys, rest))
        for method, kinds_ in (("gin", ("jsonb", "text[]")), ("brin", ("timestamptz", "date"))):
            if rnd.random() < 0.1 and (found := table.of(*kinds_)):
                self.ddl.append(f"CREATE INDEX ON {table.sql} USING {method} ({quoted(found[0])})")

    def key(self, column, kind):
        key, form = quoted(column), self.rnd.random()
        if kind.type == "text" and form < 0.4:
            ways = ["lower({})", "{} text_pattern_ops", '{} COLLATE "C"', '{} COLLATE "POSIX" DESC']
            return self.rnd.choice(ways).format(key)
        if kind.type in {"integer", "bigint"} and form < 0.15:
            return f"({key} % 10)"
        order = self.rnd.choice([" DESC", " DESC NULLS LAST", " NULLS FIRST"])
        return key + order if form < 0.5 else key

    def stored(self, table):
        """What may be in an index: 18 has columns that are generated when they are read."""
        return [(n, k) for n, k in table.columns.items() if n != "low" or self.version < 18]

    def accidents(self):
        """Have counters near their end, indexes that were never finished, rules not looked at."""
        rnd = self.rnd
        for table in self.relations:
            if table.counted and rnd.random() < 0.3:
                self.ddl.append(
                    f"SELECT setval(pg_get_serial_sequence({literal(table.sql)}, 'id'), 2000000000)"
                )
            if "VIEW" not in table.kind and rnd.random() < 0.2:
                self.ddl.append(
                    f"ALTER TABLE {table.sql} ADD CONSTRAINT {quoted('all > 0')}"
                    " CHECK (id > -5) NOT VALID"
                )
            if table.kind == "table" and rnd.random() < 0.15:
                name = f"{table.name} half"
                self.ddl += [
                    f"CREATE INDEX {quoted(name)} ON {table.sql} (id, id)",
                    (
                        "UPDATE pg_index SET indisvalid = false WHERE indexrelid ="
                        f" {literal(quoted(table.schema, name))}::regclass"
                    ),
                ]

    def predicate(self, table):
        column, kind = self.rnd.choice(self.stored(table))
        if kind.type == "boolean":
            return quoted(column)
        if kind.type in {"integer", "bigint"}:
            return f"{quoted(column)} > 20"
        return f"{quoted(column)} IS {self.rnd.choice(['', 'NOT '])}NULL"

    def views(self, schemas):
        rnd = self.rnd
        for number in range(rnd.randint(1, 3)):
            base = rnd.choice(self.relations)
            kind = rnd.choice(["VIEW", "VIEW", "MATERIALIZED VIEW"])
            view = Relation(rnd.choice(schemas), f"View {number}", dict(base.columns), kind)
            where = f" WHERE {self.predicate(base)}" if rnd.random() < 0.5 else ""
            self.ddl.append(f"CREATE {kind} {view.sql} AS SELECT * FROM {base.sql}{where}")
            self.relations.append(view)

    def statement(self):
        rnd = self.rnd
        table = rnd.choice(self.relations)
        column, kind = rnd.choice(list(table.columns.items()))
        slot = f"{SLOT}::{kind.type}" if kind.type in NAMED or "." in kind.type else SLOT
        names = {
            "t": table.sql, "c": quoted(column), "o": rnd.choice(self.relations).sql, "s": slot,
            "n": SLOT, "type": kind.type,
        }  # fmt: skip
        refs = [n for n in table.columns if n.startswith("ref")]
        forms = list(_PLAIN)
        if kind.ordered:
            forms += _ORDERED
        if kind.type in {"text", "varchar(40)"}:
            forms += _TEXTS
        if kind.type in {"jsonb", "text[]"}:
            forms = ["SELECT id FROM {t} WHERE {c} @> {s}"]
        if kind.type == "timestamptz":
            forms.append("SELECT extract(year FROM {c}) FROM {t} WHERE {c} >"
                         " {n}::timestamptz - INTERVAL '1 day'")  # fmt: skip
        if refs:
            names["r"] = refs[0]
            forms += _JOINS
        if "VIEW" not in table.kind and column not in table.generated:
            forms += _WRITES
        form = rnd.choice(forms)
        text = form.format(**names)
        asked = kind.asked if form not in _JOINS else (lambda: rnd.randrange(900))
        if "LIKE" in form:
            asked = lambda: rnd.choice(["v1%", "%v12%"])  # noqa: E731
        if "count(*) >" in form:
            asked = lambda: rnd.randrange(9)  # noqa: E731
        count = text.count(SLOT)
        self.statements.append((text, [[asked() for _ in range(count)] for _ in range(SETS)]))


# {t}: the table, {c}: the column, {s}: a value of it, {n}: another one, {o}: another table.
_PLAIN = ("SELECT * FROM {t} WHERE {c} = {s}",)
_ORDERED = (
    "SELECT * FROM {t} WHERE {c} > {s} ORDER BY {c} LIMIT 10",
    "SELECT * FROM {t} ORDER BY {c} DESC NULLS LAST LIMIT 5",
    "SELECT id, {c} FROM {t} ORDER BY {c}, id DESC LIMIT 20",
    "SELECT count(*) FROM {t} t WHERE t.{c} IN ({s},{s})",
    "SELECT max({c}::text) FROM {t} WHERE {c} IS NOT NULL",
    "WITH w AS (SELECT * FROM {t} WHERE {c} = {s}) SELECT * FROM w ORDER BY id",
    (
        "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY {c} ORDER BY id) AS r FROM {t})"
        " few WHERE r = 1 AND {c} = {s}"
    ),
    "SELECT {c}, count(*) FROM {t} GROUP BY 1 HAVING count(*) > {n}",
    "SELECT id FROM {t} WHERE {c} = {s} UNION SELECT id FROM {o} WHERE id = 7",
    (
        "SELECT o.id FROM {o} o LEFT JOIN LATERAL (SELECT id FROM {t} WHERE {c} = {s} LIMIT 1) l ON"
        " true WHERE o.id < 30"
    ),
)
_TEXTS = (
    "SELECT id FROM {t} WHERE {c} LIKE {n}",
    "SELECT id FROM {t} WHERE {c} ILIKE {n}",
    "SELECT * FROM {t} WHERE lower({c}) = {n}",
)
_JOINS = (
    "SELECT a.id, b.* FROM {t} a JOIN {o} b ON b.id = a.{r} WHERE a.{r} = {n}",
    "SELECT count(*) FROM {o} b WHERE EXISTS (SELECT FROM {t} a WHERE a.{r} = b.id) AND b.id < {n}",
)
_WRITES = (
    "UPDATE {t} SET {c} = {c} WHERE id = 7 AND {c} = {s}",
    "DELETE FROM {t} WHERE {c} = {s} AND id < 0",
)
