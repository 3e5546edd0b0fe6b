"""Problems beside those of ``catalogue``, of four families: what each tool says of them.

Each family has a test that makes its database and holds its row against the docs: indexes of
other shapes than plain columns (test_index_identity.py), tables that are read through views and
tables that rights hide (test_relations.py), models that the database differs from (test_drift.py).
"""

from django.conf import settings

from perfops.analysis.advisors import registry
from perfops.analysis.collectors import difference
from perfops.indexes import recommending
from tests.perfops.analysis.problems import catalogue, peers
from tests.perfops.indexes.workloads import Workload

DOCS = settings.BASE_DIR / "docs" / "database-analysis.md"
# What "ill" is part of the name of is a problem; the rest looks like one and is none.
SHAPES = """
CREATE TABLE owner (id bigint PRIMARY KEY); INSERT INTO owner SELECT generate_series(1, 100);
CREATE TABLE event (owner_id bigint CONSTRAINT ill_owner REFERENCES owner, at timestamptz NOT NULL)
    PARTITION BY RANGE (at);
CREATE TABLE e24 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE e25 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO event SELECT 1 + n % 100, '2024-01-01'::timestamptz + n % 700 * interval '1 day'
    FROM generate_series(1, 40000) n;
CREATE INDEX ill_part ON event (at); CREATE INDEX at_owner ON event (at, owner_id);

CREATE TABLE served (owner_id bigint REFERENCES owner, at timestamptz NOT NULL)
    PARTITION BY RANGE (at);
CREATE TABLE s24 PARTITION OF served FOR VALUES FROM ('2024-01-01') TO ('2026-01-01');
INSERT INTO served SELECT * FROM event; CREATE INDEX ON served (owner_id);

CREATE TABLE text_of (name text, code text, at timestamptz, owner_id bigint REFERENCES owner);
INSERT INTO text_of SELECT 'n' || n, 'c' || n, now() + n * interval '1 s', 1 + n % 100
    FROM generate_series(1, 20000) n;
CREATE INDEX patterns ON text_of (code text_pattern_ops);
CREATE INDEX code_at ON text_of (code, at);
CREATE INDEX name_c ON text_of (name COLLATE "C"); CREATE INDEX name_plain ON text_of (name);
CREATE INDEX at_last ON text_of (at DESC NULLS LAST); CREATE INDEX at_code ON text_of (at, code);
CREATE INDEX owner_known ON text_of (owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX ill_lower ON text_of (lower(name)); CREATE INDEX lower_at ON text_of (lower(name), at);
CREATE INDEX ill_some ON text_of (at) WHERE code > 'c5';
CREATE INDEX some_more ON text_of (at, name) WHERE code > 'c5';
ANALYZE;
"""
# Each view is read thirty times. One index is idle and one is missing; the others are in use, also
# the short one beside the longer one: without it six pages are read instead of two.
VIEWS = """
CREATE TABLE doc (owner int NOT NULL, body text NOT NULL, day int NOT NULL);
INSERT INTO doc SELECT n % 100, repeat('x', 200) || n, n % 50 FROM generate_series(1, 20000) n;
CREATE INDEX owner_only ON doc (owner); CREATE INDEX owner_body ON doc (owner, body);
CREATE INDEX ill_day ON doc (day);
CREATE VIEW mine AS SELECT owner, body FROM doc; CREATE VIEW again AS SELECT * FROM mine;
CREATE TABLE ill_note AS SELECT owner AS writer, body FROM doc;
CREATE VIEW notes AS SELECT * FROM ill_note WHERE body <> '';
CREATE TABLE page AS SELECT owner * 200 + day AS writer, body FROM doc;
CREATE INDEX page_writer ON page (writer); CREATE VIEW pages AS SELECT * FROM page;
VACUUM ANALYZE;
"""
VIEWED = Workload("viewed", tuple(
    (f"SELECT {what} FROM {view} WHERE {column} = %s", lambda n: [n])
    for what, view, column in (
        ("count(*)", "again", "owner"), ("max(body)", "mine", "owner"),
        ("count(*)", "notes", "writer"), ("count(*)", "pages", "writer"),
    )
), calls=30)  # fmt: skip
# What a role with pg_monitor alone may not read, but for the last.
HIDDEN = """
CREATE TABLE ill_serial (id serial, n int); INSERT INTO ill_serial (n) VALUES (1);
SELECT setval('ill_serial_id_seq', 2100000000);
CREATE TABLE ill_new (n int, body text) WITH (autovacuum_enabled = off);
CREATE TABLE ill_loose (n int, body text) WITH (autovacuum_enabled = off);
INSERT INTO ill_loose SELECT n, repeat('x', 200) FROM generate_series(1, 20000) n;
DELETE FROM ill_loose WHERE n % 30 > 0; VACUUM ANALYZE ill_loose;
INSERT INTO ill_new SELECT n, 'x' FROM generate_series(1, 20000) n;
CREATE TABLE readable AS SELECT n FROM generate_series(1, 20000) n; ANALYZE readable;
"""
ILL = {
    "shapes": {"public.event.ill_owner", "public.ill_part", "public.ill_lower", "public.ill_some"},
    "views": {"public.ill_day", "public.ill_note"},
    "hidden": {"public.ill_serial", "public.ill_new", "public.ill_loose"},
}
_ROWS = {
    "shapes": "an index of another shape, or of a partitioned table",
    "views": "an index that is idle or missing, of tables that are read through views",
    "hidden": "what rights hide from a role with `pg_monitor` alone (found, or named as not seen)",
    "drift": "what models declare and the database has not, or the reverse",
}
_ASKS = {
    "shapes": ("duplicate_indexes", "unindexed_foreign_keys"),
    "views": ("duplicate_indexes", "unused_indexes", "missing_index"),
    "hidden": ("integer_overflow", "missing_statistics", "bloat"),
    "drift": ("drift",),
}


def of_shapes(snapshot):
    """Return the objects that perfops names."""
    window = difference.since_reset(snapshot)
    issues = registry.run_advisors(window, catalogue.LIMITS, only=_ASKS["shapes"]).issues
    return {each.object for each in issues}


def of_views(bench, window):
    """Return the objects that perfops names, once each drop and each index is proved."""
    limits = bench.limits(UNUSED_INDEX_MIN_BYTES=0, UNUSED_INDEX_MIN_DAYS=0.0)
    issues = registry.run_advisors(window, limits, only=_ASKS["views"]).issues
    advised = recommending.recommend(window, bench.alias, issues, limits)
    kept = [each for each in issues if each.fingerprint not in advised.rejected_issues]
    return {each.object for each in kept} | {
        str(each.candidate) for each in advised.accepted if each.action == "add"
    }


def of_hidden(snapshot):
    """Return the objects that perfops names, as a problem or as what it could not see."""
    window = difference.since_reset(snapshot)
    issues = registry.run_advisors(window, catalogue.LIMITS, only=_ASKS["hidden"]).issues
    unseen = {name for source in window.missing for name in source.objects}
    return {each.object for each in issues} | unseen


def scores(family, snapshot, ours, ill=()):
    """Return for each tool how many of the problems of ``family`` it names, and its precision (0
    to 1; None: it names nothing). ``ours``: the objects that perfops names; ``ill``: the problems,
    where the family has no fixed ones.
    """
    said = {
        "perfops": set(ours),
        "PgHero": {name for kind, name in peers.pghero(snapshot) if kind in _ASKS[family]},
        "pg-extras": {name for kind, name in peers.pg_extras(snapshot) if kind in _ASKS[family]},
    }
    return {tool: _score(names, ILL.get(family) or set(ill)) for tool, names in said.items()}


def _score(names, ill):
    right = [name for name in names if any(each in name for each in ill)]
    found = [each for each in ill if any(each in name for name in names)]
    return len(found), len(right) / len(names) if names else None


def row(family, found):
    """Return the row of ``family`` in the table of docs/database-analysis.md."""
    number = found["perfops"][0]
    cells = [
        f"{count}, {'-' if precision is None else f'{precision:.0%}'}"
        for count, precision in found.values()
    ]
    return f"| {_ROWS[family]} ({number}) | {' | '.join(cells)} |"


def statements(text):
    """Yield the statements of ``text``: some do not stand in a transaction."""
    return filter(str.strip, text.split(";"))
