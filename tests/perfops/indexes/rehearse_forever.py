"""A rehearsal that takes its time, to be killed in the middle of it."""

import sys
from dataclasses import replace

import dj_database_url
import django


def main(alias: str, url: str) -> None:
    django.setup()
    from django.db import connections

    from perfops.analysis.collectors.records import Statement
    from perfops.conf import Conf
    from perfops.database import connections as session
    from perfops.indexes import rehearsal, workload
    from perfops.indexes.records import Candidate, Key

    connections.databases[alias] = connections.configure_settings(
        {"default": dj_database_url.parse(url)}
    )["default"]
    text = "SELECT count(*) FROM orders a, orders b WHERE a.total + b.total = 1 AND a.id > 0"
    with session.reading(alias) as cursor:
        statement = Statement("1", text, 100, 1e6, 100, 0, 0, 0, 0)
        found = workload.read(cursor, [statement], most=1)
    queries = [replace(query, sets=({},)) for query in found.queries]
    # An index that answers alone: the planner takes it.
    candidate = Candidate(("public", "orders"), (Key("id"),), include=("total",))
    rehearsal.prove(alias, [candidate], queries, found.tables, Conf(REHEARSAL_S=120.0))


if __name__ == "__main__":
    main(*sys.argv[1:])
