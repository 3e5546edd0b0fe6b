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
    bench = import_module("tests.perfops.indexing.bench")
    debian = import_module("tests.perfops.indexing.debian")
    workloads = import_module("tests.perfops.indexing.workloads").WORKLOADS
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
            kinds = {given.offer.proof.kind for given in outcome.advised.given if given.offer}
            for note in (*outcome.advised.missing, *(() if right else outcome.advised.refused)):
                print(f"    {note}")
            if names:
                print(kinds, [given.advice for given in outcome.advised.given])
        print(f"{wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
