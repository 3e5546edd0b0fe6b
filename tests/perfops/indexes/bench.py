"""A database of its own to try index advice on: run a workload, take advice, apply it, measure."""

import json
import re
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from django.db import connections

from perfops.analysis.collectors import difference, snapshot
from perfops.conf import conf
from perfops.indexes import recommending
from perfops.indexes.planning import plan_of
from perfops.indexes.recommendation import Recommendations
from tests.perfops.clusters import tell_counters
from tests.perfops.indexes.workloads import TABLES
from tests.perfops.random_schemas import NO_AUTOVACUUM

_NAME = re.compile(r'CONCURRENTLY "([^"]+)"')


@dataclass(frozen=True)
class Cost:
    blocks: float
    ms: float
    indexes: frozenset[str]


@dataclass(frozen=True)
class Outcome:
    advised: Recommendations
    before: Cost
    after: Cost

    @property
    def candidates(self):
        return [str(each.candidate) for each in self.advised.accepted if each.action == "add"]


@dataclass(frozen=True)
class Bench:
    """A database with the workloads' tables; ``cursor`` on it, ``alias`` for what is tested."""

    alias: str
    cursor: Any

    def limits(self, *, rehearse=True, **given):
        place = {self.alias: self.alias} if rehearse else {}
        patience = {"INDEX_ADVICE_S": 240.0, "REHEARSAL_S": 120.0}
        return replace(conf(), REHEARSE_ON=place, **patience, **given)

    def window(self, workload):
        """Run the workload and return what the statistics say of it."""
        # The rate of writes is theirs since the statistics began: that is now, and what this
        # session has yet to tell of the rows it made is told before.
        tell_counters(self.cursor)
        self.cursor.execute("SELECT pg_stat_reset()")
        before = snapshot.take(self.alias)
        for statement in workload.writes:
            self.cursor.execute(statement, [])
        for number in range(workload.calls):
            for statement, parameters in workload.statements:
                self.cursor.execute(statement, parameters(number) or None)
        # A backend tells its counters when it is idle; at the latest now.
        tell_counters(self.cursor)
        return difference.between(before, snapshot.take(self.alias))

    def advise(self, workload, bounds, found=()):
        return recommending.recommend(self.window(workload), self.alias, list(found), bounds)

    def tried(self, workload, bounds):
        """Return the advice for the workload, and what it costs before and after applying it.

        Where several indexes are needed a later one is proved once the earlier are there.
        """
        self.cursor.execute("VACUUM ANALYZE")
        before = self.measured(workload)
        given, names = [], []
        try:
            for _ in range(max(1, len(workload.cured_by))):
                advised = self.advise(workload, bounds)
                for each in advised.accepted:
                    self.cursor.execute(each.issue.statement)
                    names.append(_NAME.search(each.issue.statement)[1])
                given += advised.accepted
                # What autovacuum does in time: an index alone answers where all is visible.
                self.cursor.execute("VACUUM ANALYZE")
            after = self.measured(workload)
        finally:
            for name in names:
                self.cursor.execute(f'DROP INDEX "{name}"')
        return Outcome(replace(advised, decided=tuple(given)), before, after)

    def measured(self, workload):
        """Return the mean blocks and ms of the workload's statements, by EXPLAIN ANALYZE."""
        plans = []
        for number in range(0, workload.calls, 5):
            for statement, parameters in workload.statements:
                self.cursor.execute("BEGIN")
                self.cursor.execute(
                    f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}",
                    parameters(number) or None,
                )
                (answer,) = self.cursor.fetchone()
                self.cursor.execute("ROLLBACK")
                plans.append(plan_of(json.loads(answer) if isinstance(answer, str) else answer))
        return Cost(
            blocks=sum(plan.blocks for plan in plans) / len(plans),
            ms=sum(plan.ms for plan in plans) / len(plans),
            indexes=frozenset(name for plan in plans for name in plan.indexes),
        )


@contextmanager
def database(settings, alias, *, hypopg=False, tables=TABLES):
    """Make ``tables`` in a new database of the server in ``settings``, behind ``alias``."""
    name = f"midst_{alias}"
    maintenance = {**settings, "NAME": "postgres", "OPTIONS": {}}
    with opened(f"{alias}_maintenance", maintenance) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {name}")
    with opened(alias, {**settings, "NAME": name, "OPTIONS": {}}) as cursor:
        cursor.execute(tables)
        cursor.execute(NO_AUTOVACUUM)
        if hypopg:
            cursor.execute("CREATE EXTENSION hypopg")
        vacuum(cursor)
        yield Bench(alias, cursor)
    with opened(f"{alias}_maintenance", maintenance) as server:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def vacuum(cursor):
    """Until every row is known to be visible to all: some other session may hold it up."""
    deadline = time.monotonic() + 120
    hidden = True
    while hidden:
        assert time.monotonic() < deadline, "something holds a snapshot for two minutes"
        cursor.execute("VACUUM ANALYZE")
        cursor.execute(
            "SELECT bool_or(relallvisible < relpages) FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        (hidden,) = cursor.fetchone()


@contextmanager
def opened(alias, settings):
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
