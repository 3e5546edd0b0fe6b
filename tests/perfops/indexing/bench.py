"""A database of its own to try index advice on: run a workload, take advice, apply it, measure."""

import json
import re
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

from django.db import connections

from perfops.collectors import difference, snapshot
from perfops.conf import conf
from perfops.indexing import advising
from perfops.indexing.advising import Advised
from perfops.indexing.plans import plan_of
from tests.perfops.indexing.workloads import TABLES

ALIAS = "advice"
_INDEX = re.compile(r'^(CREATE INDEX) CONCURRENTLY "', re.MULTILINE)


@dataclass(frozen=True)
class Cost:
    blocks: float
    ms: float
    indexes: frozenset[str]


@dataclass(frozen=True)
class Outcome:
    advised: Advised
    before: Cost
    after: Cost

    @property
    def candidates(self):
        return [str(given.offer.candidate) for given in self.advised.given if given.offer]


@contextmanager
def database(settings, *, hypopg=False):
    """Make the tables in a new database of the server in ``settings``, as alias ``advice``."""
    name = "midst_index_advice"
    maintenance = {**settings, "NAME": "postgres", "OPTIONS": {}}
    with _opened("advice_maintenance", maintenance) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {name}")
        with _opened(ALIAS, {**settings, "NAME": name, "OPTIONS": {}}) as cursor:
            cursor.execute(TABLES)
            if hypopg:
                cursor.execute("CREATE EXTENSION hypopg")
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("SELECT pg_stat_reset()")
            yield cursor
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _opened(alias, settings):
    connections.databases[alias] = connections.configure_settings(
        {alias: settings} | {"default": connections.databases["default"]}
    )[alias]
    connection = connections.create_connection(alias)
    connections[alias] = connection
    try:
        with closing(connection), connection.cursor() as cursor:
            yield cursor
    finally:
        del connections[alias]
        del connections.databases[alias]


def limits(*, rehearse, **given):
    return replace(
        conf(), REHEARSE_ON={ALIAS: ALIAS} if rehearse else {}, INDEX_ADVICE_S=120.0, **given
    )


def window_of(cursor, workload):
    """Run the workload and return what the statistics say of it."""
    # The rate of writes is theirs since the statistics began: that is now.
    cursor.execute("SELECT pg_stat_reset()")
    before = snapshot.take(ALIAS)
    for statement in workload.writes:
        cursor.execute(statement, [])
    for number in range(workload.calls):
        for statement, parameters in workload.statements:
            cursor.execute(statement, parameters(number) or None)
    # A backend tells its counters when it is idle; at the latest now.
    cursor.execute("SELECT pg_stat_force_next_flush()")
    return difference.between(before, snapshot.take(ALIAS))


def advise(cursor, workload, bounds, found=()):
    return advising.advise(window_of(cursor, workload), ALIAS, list(found), bounds)


def tried(cursor, workload, bounds):
    """Return the advice for the workload, and what it costs before and after applying it."""
    advised = advise(cursor, workload, bounds)
    before = measured(cursor, workload)
    names = []
    try:
        for given in advised.given:
            cursor.execute(given.advice.statement)
            names.append(re.search(r'CONCURRENTLY "([^"]+)"', given.advice.statement)[1])
        cursor.execute("ANALYZE")
        after = measured(cursor, workload)
    finally:
        for name in names:
            cursor.execute(f'DROP INDEX "{name}"')
    return Outcome(advised, before, after)


def measured(cursor, workload):
    """Return the mean blocks and ms of the workload's statements, by EXPLAIN ANALYZE."""
    plans = []
    for number in range(0, workload.calls, 5):
        for statement, parameters in workload.statements:
            cursor.execute("BEGIN")
            cursor.execute(
                f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}",
                parameters(number) or None,
            )
            (answer,) = cursor.fetchone()
            cursor.execute("ROLLBACK")
            plans.append(plan_of(json.loads(answer) if isinstance(answer, str) else answer))
    return Cost(
        blocks=sum(plan.blocks for plan in plans) / len(plans),
        ms=sum(plan.ms for plan in plans) / len(plans),
        indexes=frozenset(name for plan in plans for name in plan.indexes),
    )
