"""Indexes of other shapes than plain columns, and partitions: what each tool says of them.

``test_shapes_of_indexes_are_told_apart`` makes the database, and holds ``TABLE`` against the docs.
"""

from perfops.analysis.advisors import registry
from perfops.analysis.collectors import difference
from tests.perfops.analysis.problems import catalogue, peers

ASKED = ("duplicate_indexes", "unindexed_foreign_keys")
# What "ill" is part of the name of is a problem; the rest looks like one and is none.
DDL = """
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
ILL = {"public.event.ill_owner", "public.ill_part", "public.ill_lower", "public.ill_some"}


def scores(snapshot):
    """Return for each tool how many problems it found, and its precision (0 to 1; None: silent)."""
    window = difference.since_reset(snapshot)
    ours = registry.run_advisors(window, catalogue.LIMITS, only=ASKED).issues
    said = {
        "perfops": {issue.object for issue in ours},
        "PgHero": {name for kind, name in peers.pghero(snapshot) if kind in ASKED},
        "pg-extras": {name for kind, name in peers.pg_extras(snapshot) if kind in ASKED},
    }
    return {
        tool: (len(names & ILL), len(names & ILL) / len(names) if names else None)
        for tool, names in said.items()
    }


def table(found):
    """Return the rows of the table in docs/database-analysis.md."""
    rows = ["| | problems found (of 4) | precision |", "|---|---|---|"]
    for tool, (number, precision) in found.items():
        rows.append(f"| {tool} | {number} | {'-' if precision is None else f'{precision:.0%}'} |")
    return "\n".join(rows)
