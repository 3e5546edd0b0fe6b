"""Databases of random shape, each analysed, remedied as it is told, and analysed again.

``python -m tests.perfops.random_schemas --seeds 0-199 --version 18`` tries so many on one server
and prints what went wrong with each, and the figures. ``analysis/test_random_schemas.py`` tries
a few.
"""

import argparse
import logging
import os
import sys
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import psycopg

from tests.perfops.random_designs import SLOT, Design, literal

CALLS = 6
# As INDEX_MAX_LOSS: so much dearer a plan may be without an index that is advised to go.
DEARER = 1.1
LIMITS = {
    "INDEX_CANDIDATES": 4, "INDEX_MIN_ROWS": 500, "INDEX_MIN_CALLS": 5,
    "INDEX_ADVICE_S": 40.0, "REHEARSAL_S": 30.0,
    "UNUSED_INDEX_MIN_DAYS": 0.0, "UNUSED_INDEX_MIN_BYTES": 0, "FOREIGN_KEY_MIN_ROWS": 500,
    "STATISTICS_MIN_ROWS": 500, "DEAD_MIN_ROWS": 100, "SEQ_SCAN_MIN_ROWS": 500,
    "SEQ_SCAN_MIN_SCANS": 5, "BLOAT_MIN_BYTES": 8192, "SLOW_MEAN_MS": 1.0,
}  # fmt: skip


def with_literals(text, values):
    for value in values:
        text = text.replace(SLOT, literal(value), 1)
    return text


def for_server(text):
    return text.replace("%", "%%").replace(SLOT, "%s")


@dataclass
class Outcome:
    """``faults`` in words, each with the statement that it is about."""

    seed: int
    faults: list = field(default_factory=list)
    remedies: Counter = field(default_factory=Counter)
    drops: int = 0
    statements: int = 0
    unjudged: list = field(default_factory=list)
    seconds: float = 0.0


class _Failures(logging.Handler):
    """What was caught and logged with a traceback is a fault all the same."""

    def __init__(self, outcome):
        super().__init__(logging.ERROR)
        self.outcome = outcome

    def emit(self, record):
        if record.exc_info:
            self.outcome.faults.append(("logged", record.getMessage(), repr(record.exc_info[1])))


def try_seed(settings, seed, version):
    """Make the database of ``seed`` on the server of ``settings``, and do as the analysis says."""
    # Django is set up by now: the server comes first.
    from django.conf import settings as project
    from django.test import override_settings

    from tests.perfops.clusters import tell_counters
    from tests.perfops.indexes import bench

    outcome, began = Outcome(seed), time.monotonic()
    design = Design(seed, version)
    alias = f"random_{seed}"
    handler = _Failures(outcome)
    logger = logging.getLogger("perfops")
    conf = {**LIMITS, "REHEARSE_ON": {alias: alias}}
    hypopg = version != "18"
    extension = "CREATE EXTENSION pg_stat_statements"
    with ExitStack() as stack:
        stack.enter_context(override_settings(PERFOPS={**project.PERFOPS, **conf}))
        stack.enter_context(bench.database(settings, alias, hypopg=hypopg, tables=extension))
        logger.addHandler(handler)
        stack.callback(logger.removeHandler, handler)
        database = f"midst_{alias}"
        with psycopg.connect(
            host=settings["HOST"], port=settings["PORT"], user=settings["USER"], dbname=database,
            password=settings.get("PASSWORD") or None, autocommit=True,
        ) as connection:  # fmt: skip
            for statement in design.ddl:
                connection.execute(statement)
            connection.execute("VACUUM ANALYZE")
            live(connection, design, outcome)
            tell_counters(connection)
            issues = analysed(alias, outcome)
            remedy(connection, design, issues, outcome)
            again = {i.fingerprint for i in analysed(alias, outcome)}
            for issue in issues:
                if issue.statement and issue.fingerprint in again and issue.advisor in ENDED:
                    outcome.faults.append(("found again", issue.title, issue.statement))
    outcome.seconds = time.monotonic() - began
    return outcome


# What a remedy that was executed ends at once.
ENDED = {
    "duplicate_indexes", "unused_indexes", "unindexed_foreign_keys", "missing_index",
    "unvalidated_constraints", "invalid_indexes", "integer_overflow",
}  # fmt: skip


# At its own time it changes plans between two looks; what is at work now is waited for.
NO_AUTOVACUUM = """
DO $$ DECLARE one regclass; BEGIN
    FOR one IN SELECT oid FROM pg_class WHERE relkind = 'r'
        AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
    LOOP EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', one); END LOOP;
END $$"""


def live(connection, design, outcome):
    """Call each statement, some with literals and some with parameters."""
    for number, (text, sets) in enumerate(design.statements):
        for values in sets * CALLS:
            if number % 2:
                connection.execute(with_literals(text, values))
            else:
                connection.execute(for_server(text), values, prepare=False)
        outcome.statements += 1


def analysed(alias, outcome):
    from perfops.analysis import services
    from perfops.management.formats import renderers

    try:
        report = services.analyse(database=alias, store=False)
        for render in renderers().values():
            render(report)
    except Exception as error:
        logging.getLogger(__name__).exception("seed %s", outcome.seed)
        outcome.faults.append(("raised", type(error).__name__, str(error)[:300]))
        return []
    for source in report.window.missing:
        if "failed" in source.reason and "s were over" not in source.reason:
            outcome.faults.append(("missing", source.source, source.reason))
    outcome.unjudged += [note for note in report.window.notes if "could not be judged" in note]
    # Of the server, not of this database.
    return [i for i in report.issues if "ALTER SYSTEM" not in i.statement and i.advisor != "drift"]


def remedy(connection, design, issues, outcome):
    """Run the remedies: first the drops, after which no statement may be dearer."""
    printed = [issue for issue in issues if issue.statement]
    drops = [issue for issue in printed if issue.statement.startswith("DROP INDEX")]
    connection.execute(NO_AUTOVACUUM)
    costs = planned(connection, design)
    for issue in drops:
        run(connection, issue, outcome)
        after = planned(connection, design)
        for text, cost in after.items():
            if cost > costs[text] * DEARER:
                what = f"{costs[text]} to {cost}: {text}"
                proof = issue.evidence.get("proof")
                outcome.faults.append(("dearer", what, issue.statement, proof))
        costs = after
        outcome.drops += 1
    for issue in printed:
        if issue not in drops:
            run(connection, issue, outcome)


def run(connection, issue, outcome):
    outcome.remedies[issue.advisor] += 1
    try:
        for statement in issue.statement.split(";\n"):
            if "pg_terminate" not in statement:
                connection.execute(statement)
    except psycopg.Error as error:
        outcome.faults.append(("remedy", f"{issue.advisor}: {error}".strip(), issue.statement))


def planned(connection, design):
    costs = {}
    for text, sets in design.statements:
        for values in sets:
            whole = with_literals(text, values)
            (answer,) = connection.execute(f"EXPLAIN (FORMAT JSON) {whole}").fetchone()
            costs[whole] = answer[0]["Plan"]["Total Cost"]
    return costs


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0-9", help="such as 7 or 0-199")
    parser.add_argument("--version", default="18", help="of PostgreSQL; all but 18 need hypopg")
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    with server(options.version) as settings:
        total = Counter()
        for seed in range(int(first), int(last or first) + 1):
            outcome = try_seed(settings, seed, options.version)
            total["databases"] += 1
            total["faults"] += len(outcome.faults)
            total["remedies"] += sum(outcome.remedies.values())
            total["drops"] += outcome.drops
            total["statements"] += outcome.statements
            out(f"{seed}: {outcome.seconds:.1f} s, {dict(outcome.remedies)} {outcome.unjudged}")
            for fault in outcome.faults:
                out(f"   FAULT {fault}")
        out(dict(total))
    return 1 if total["faults"] else 0


def out(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def server(version):
    """Yield Django's settings of a new server, where perfops has its own tables as well."""
    from midst.stack import ports
    from tests.perfops.clusters import USER, cluster

    # Autovacuum at its own time changes plans between two looks.
    settings = {"synchronous_commit": "off", "full_page_writes": "off", "jit": "off"}
    with cluster(version, autovacuum="off", **settings) as made:
        os.environ["DATABASE_URL"] = f"postgres://{USER}@{ports.HOST}:{made.port}/postgres"
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "midst.settings.test")
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connections

        call_command("migrate", verbosity=0)
        yield dict(connections.databases["default"])


if __name__ == "__main__":
    sys.exit(main())
