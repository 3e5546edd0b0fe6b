"""What two well-known tools would say of the same snapshot: their thresholds, not their code.

PgHero: lib/pghero/methods/ (indexes, query_stats, sequences, constraints, maintenance,
connections, replication) with its default configuration. pg-extras: what
lib/ruby_pg_extras/diagnose_data.rb holds its queries against.
"""

from perfops.analysis.collectors.records import share

# (advisor of ours that asks the same, object)
PGHERO_ASKS = {
    "slow_queries", "sequential_scans", "unused_indexes", "duplicate_indexes", "invalid_indexes",
    "unvalidated_constraints", "integer_overflow", "wraparound", "long_queries", "connections",
    "cache_hit_ratio", "replication_lag",
}  # fmt: skip
PG_EXTRAS_ASKS = {
    "slow_queries", "unused_indexes", "duplicate_indexes", "unindexed_foreign_keys", "bloat",
    "cache_hit_ratio", "server_settings",
}  # fmt: skip
_LONG_S = 0.5  # a minute in both; here as short as ours


def pghero(snapshot):
    yield from _pghero_statements_and_tables(snapshot)
    yield from _pghero_indexes(snapshot.indexes)
    yield from _pghero_states(snapshot)
    yield from _cache(snapshot, 0.99)


def _pghero_statements_and_tables(snapshot):
    for s in snapshot.statements or ():
        if s.calls >= 100 and (s.total_ms + s.plan_ms) / s.calls >= 20:
            yield "slow_queries", s.text
    for table in snapshot.tables:
        scans = table.index_scans + table.sequential_scans
        if table.index_scans and 100 * table.index_scans // scans < 95 and table.live >= 10_000:
            yield "sequential_scans", table.qualified
        if 2_146_483_648 - table.xid_age < 10_000_000:
            yield "wraparound", table.qualified


def _pghero_indexes(indexes):
    for index in indexes:
        if not index.is_unique and index.scans <= 50:
            yield "unused_indexes", index.qualified
        if not index.is_valid:
            yield "invalid_indexes", index.qualified
        if not index.is_unique and any(_pghero_covers(other, index) for other in indexes):
            yield "duplicate_indexes", index.qualified


def _pghero_covers(other, index):
    """PgHero leaves out what has an expression or a predicate."""
    plain = all(i.is_valid and not i.is_partial and 0 not in i.columns for i in (index, other))
    return (
        plain
        and other != index
        and (other.table, other.method) == (index.table, index.method)
        and other.keys[: len(index.keys)] == index.keys
        and (other.keys != index.keys or index.name > other.name)
    )


def _pghero_states(snapshot):
    for each in snapshot.unvalidated:
        yield "unvalidated_constraints", f"{each.schema}.{each.table}.{each.name}"
    for each in snapshot.numberings:
        if each.sequence and each.last / each.limit > 0.9:
            yield "integer_overflow", each.qualified
    for session in snapshot.sessions:
        if session.state != "idle" and (session.query_s or session.state_s or 0) > _LONG_S:
            yield "long_queries", session.text or session.application
    if len(snapshot.sessions) > 500:
        yield "connections", "connections in use"
    for slot in snapshot.slots:
        if not slot.active:
            yield "replication_lag", f"slot {slot.name}"


def pg_extras(snapshot):
    total = sum(statement.total_ms for statement in snapshot.statements or ())
    for statement in snapshot.statements or ():
        if statement.total_ms >= 0.33 * total:
            yield "slow_queries", statement.text
    yield from _pg_extras_indexes(snapshot)
    for bloat in snapshot.bloat:
        if bloat.bytes >= 10 * max(1, bloat.bytes - bloat.wasted):
            yield "bloat", bloat.qualified
    yield from _cache(snapshot, 0.985)
    for name, default in (("work_mem", "4096"), ("random_page_cost", "4")):
        if snapshot.setting(name).value == default:
            yield "server_settings", name


def _pg_extras_indexes(snapshot):
    for index in snapshot.indexes:
        if not index.is_unique and index.scans <= 20 and index.bytes >= 1_000_000:
            yield "unused_indexes", index.qualified
        if any(_is_same(other, index) and index.name > other.name for other in snapshot.indexes):
            yield "duplicate_indexes", index.qualified
    for key in snapshot.foreign_keys:
        if not any(
            (index.schema, index.table, *index.columns[:1])
            == (key.schema, key.table, *key.columns[:1])
            for index in snapshot.indexes
        ):
            yield "unindexed_foreign_keys", key.qualified


def _is_same(other, index):
    return (other.table, other.keys, other.predicate) == (index.table, index.keys, index.predicate)


def _cache(snapshot, least):
    for records in (snapshot.tables, snapshot.indexes):
        rate = share(sum(r.blocks_hit for r in records), sum(r.blocks_read for r in records))
        if rate is not None and rate < least:
            yield "cache_hit_ratio", "database (whole)"
