"""Partitions, views and extensions elsewhere: what a statement reads is told by its plan."""

from perfops.analysis.advisors import registry
from perfops.analysis.collectors import difference, snapshot
from perfops.conf import Conf

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
    (found,) = detected(own, "unindexed_foreign_keys")
    # The statement is one that PostgreSQL takes: no partitioned table is indexed CONCURRENTLY.
    own.cursor.execute(found.statement)
    assert detected(own, "unindexed_foreign_keys") == []


def test_of_indexes_of_a_partitioned_table_the_whole_is_reported_and_can_be_dropped(own):
    own.cursor.execute(
        PARTITIONS + "CREATE INDEX short ON event(account_id);"
        "CREATE INDEX long ON event(account_id, at); CREATE INDEX idle ON event(at);" + EVENTS
    )
    found = detected(own, "duplicate_indexes", "unused_indexes")
    assert {(each.advisor, each.object) for each in found} == {
        ("duplicate_indexes", "public.short"), ("unused_indexes", "public.short"),
        ("unused_indexes", "public.idle"),
    }  # fmt: skip
    for statement in {each.statement for each in found}:
        own.cursor.execute(statement)
    # The one that is left serves the foreign key.
    everything = ("duplicate_indexes", "unused_indexes", "unindexed_foreign_keys")
    assert detected(own, *everything) == []
