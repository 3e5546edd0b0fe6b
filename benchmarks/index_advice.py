"""Take index advice on every workload of the tests, apply it, and say what it did.

    python -m benchmarks.index_advice [--server embedded|debian|debian-hypopg] [NAME ...]

``embedded`` (PostgreSQL 18) and ``debian`` (15) prove by rehearsal, ``debian-hypopg`` by
planning. Times are means of EXPLAIN ANALYZE, before and after on the same server and tables.
"""

import argparse
import contextlib
import os
import re
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "midst.settings.test"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", default="embedded")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    servers = import_module("tests.servers")
    try:
        import django

        django.setup()
        return compare(options.server, set(options.names))
    finally:
        servers.pytest_unconfigure(None)


def compare(server: str, names: set[str]) -> int:
    from django.db import connections

    # The tests' own workloads and servers.
    bench = import_module("tests.perfops.indexes.bench")
    debian = import_module("tests.perfops.indexes.debian")
    workloads = import_module("tests.perfops.indexes.workloads").WORKLOADS
    hypopg = server == "debian-hypopg"
    wrong = 0
    with contextlib.ExitStack() as stack:
        settings = dict(connections.databases["default"])
        if server != "embedded":
            settings = {**settings, **stack.enter_context(debian.server())}
        made = stack.enter_context(bench.database(settings, "advice", hypopg=hypopg))
        bounds = made.limits()
        print(f"{'workload':28}{'blocks':>16}{'ms':>18}{'ratio':>7}{'took':>7}  advice")
        for workload in workloads:
            if names and workload.name not in names:
                continue
            began = time.perf_counter()
            outcome = made.tried(workload, bounds)
            took = time.perf_counter() - began
            found, before, after = outcome.candidates, outcome.before, outcome.after
            right = all(any(re.search(p, c) for c in found) for p in workload.cured_by)
            right = right and all(any(re.search(p, c) for p in workload.cured_by) for c in found)
            if found:
                right = right and after.blocks < 0.7 * before.blocks
            wrong += not right
            print(
                f"{workload.name:28}{before.blocks:>8.0f}{after.blocks:>8.0f}"
                f"{before.ms:>9.3f}{after.ms:>9.3f}{before.ms / max(after.ms, 1e-3):>6.0f}x"
                f"{took:>6.1f}s  {'' if right else 'WRONG '}{'; '.join(found) or '-'}",
                flush=True,
            )
            kinds = {given.kind for given in outcome.advised.accepted if given.offer}
            for note in (*outcome.advised.missing, *(() if right else outcome.advised.refused)):
                print(f"    {note}")
            if names:
                print(kinds, [given.issue for given in outcome.advised.accepted])
        print(f"{wrong} wrong")
        print(entry_cost(made.cursor))
    return 1 if wrong else 0


def entry_cost(cursor: Any, rows: int = 200_000) -> str:
    """Return what one index entry adds to an insert, as ``weigh.WRITE_MS`` states it."""
    words = []
    for kind, index in (
        ("no index", ""),
        ("B-tree", "CREATE INDEX ON entries (number)"),
        ("GIN on 4 members", "CREATE INDEX ON entries USING gin (members) WITH (fastupdate = off)"),
    ):
        cursor.execute("CREATE UNLOGGED TABLE entries (number int, members int[])")
        cursor.execute(index or "SELECT 1")
        began = time.perf_counter()
        cursor.execute(
            "INSERT INTO entries SELECT n * 7919 %% 1000003, ARRAY[n %% 997, n %% 991, n %% 983,"
            " n %% 977] FROM generate_series(1, %s) n",
            [rows],
        )
        words.append(f"{kind} {(time.perf_counter() - began) / rows * 1e6:.1f} us")
        cursor.execute("DROP TABLE entries")
    return "an insert takes, by row: " + ", ".join(words)


if __name__ == "__main__":
    sys.exit(main())
