"""A database of the version before migrates with its data, and back."""

import pytest

from tests.migrating import database, migrate, schema

__all__ = ["database"]

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
# The last migration of version 0.1.
BEFORE = ("perfops", "0011_n_plus_one_by_statement")

# Made by version 0.1: a judged run, an analysis with a muted finding and index advice, origins.
DATA = """
INSERT INTO perfops_loadrun (id, scenario, target, state, verdict, reasons, trigger, created_at,
    worker, plan, fingerprint, summary, server, log)
VALUES (7, 'smoke', 'http://127.0.0.1:1', 'finished', 'pass', '["It holds."]', 'command', now(),
    'host:1', '{}', '{}', '{"requests": 3}', '{}', '');
INSERT INTO perfops_evaluation (budget_id, run_id, outcome, value, target, threshold, reason,
    created_at)
SELECT min(id), 7, 'met', 1, 300, 500, '', now() FROM perfops_budget;
INSERT INTO perfops_analysis (id, database, state, trigger, created_at, notes, missing, counts,
    error, run_id)
VALUES (5, 'default', 'finished', 'schedule', now(), '[]', '[]', '{"warning": 1}', '', 7);
INSERT INTO perfops_finding (id, database, fingerprint, advisor, object, severity, status,
    muted_until, mute_reason, title, evidence, why, remedy, statement, first_seen_at,
    last_seen_at, reopened, last_analysis_id)
VALUES (3, 'default', 'f', 'missing_index', 'public.t (c)', 'warning', 'muted', '2099-01-01',
    'known', 'An index', '[]', 'w', 'r', '', now(), now(), 2, 5);
INSERT INTO perfops_sighting (analysis_id, finding_id, severity, evidence)
VALUES (5, 3, 'warning', '[["rows", 9]]');
INSERT INTO perfops_indexadvice (finding_id, kind, index_schema, index_name, app_label,
    migration_name, migration, meta, outcome, measured, proof, unit, gain, effects, created_at)
VALUES (3, 'add', 'public', 't_c', '', '', '', '', 'waiting', '[]', 'p', 'ms', 0.9, '[]', now());
INSERT INTO perfops_querytemplate (id, database, text, queryids, signatures, first_seen_at)
VALUES (1, 'default', 'SELECT %s', '{}', '{}', now());
INSERT INTO perfops_queryorigin (template_id, site, function, kind, name, span, at, calls,
    total_ms, rows, units, most_calls)
VALUES (1, 'shop/views.py:3', 'f', 'request', 'GET /', 'hour', now(), 40, 2.5, 40, 4, 12);
INSERT INTO perfops_finding (id, database, fingerprint, advisor, object, severity, status,
    mute_reason, title, evidence, why, remedy, statement, first_seen_at, last_seen_at, reopened)
SELECT n, 'default', n, 'long_queries', text, 'warning', 'open', '', 'runs: ' || text,
    jsonb_build_array(jsonb_build_array('running for', '7 min'),
        jsonb_build_array('statement', text)),
    'w', 'r', 'SELECT pg_cancel_backend(4711);', now(), now() + n * interval '1 s', 0
FROM generate_series(20, 21) n,
    concat('SELECT 1 FROM t WHERE mail = ', quote_literal(concat('ann', n, '@x.org'))) text;
INSERT INTO perfops_sighting (analysis_id, finding_id, severity, evidence)
SELECT 5, id, 'warning', evidence FROM perfops_finding WHERE advisor = 'long_queries';
UPDATE perfops_budget SET threshold = 777 WHERE id = (SELECT min(id) FROM perfops_budget);
"""
KEPT = {
    "a run and its verdict": "SELECT verdict, reasons, summary FROM perfops_loadrun",
    "what it made of a budget": "SELECT run_id, outcome, value, threshold FROM perfops_evaluation",
    "an analysis": "SELECT id, state, counts->>'warning', run_id, worker FROM perfops_analysis",
    "a finding with its mute": "SELECT id, status, muted_until::text, mute_reason, reopened, title"
    " FROM perfops_finding WHERE advisor <> 'long_queries'",
    "budgets": "SELECT metric, route, target, threshold, action, enabled FROM perfops_budget"
    " ORDER BY id",
}


def read(database, tables):
    return {name: database.execute(query).fetchall() for name, query in tables.items()}


def perfops_tables(database):
    return [row for row in schema(database) if row[1].startswith("perfops_")]


def test_data_of_the_version_before_is_kept_forwards_and_backwards(database):
    migrate(database, BEFORE)
    tables = perfops_tables(database)
    database.execute(DATA)
    before = read(database, KEPT)
    assert all(before.values())

    migrate(database)
    assert read(database, KEPT) == before
    assert read(
        database,
        {
            "occurrence": "SELECT analysis_id, finding_id, evidence FROM perfops_occurrence"
            " WHERE finding_id = 3",
            "recommendation": "SELECT finding_id, index_name, gain FROM perfops_recommendation",
            "origin": "SELECT calls, executions, max_calls_per_execution FROM perfops_queryorigin",
        },
    ) == {
        "occurrence": [(5, 3, [["rows", 9]])],
        "recommendation": [(3, "t_c", 0.9)],
        "origin": [(40, 4, 12)],
    }
    # Values that were stored with the texts of sessions are gone; of what is the same now one is.
    text = "SELECT $1 FROM t WHERE mail = $2"
    assert database.execute(
        "SELECT f.id, object, title, statement, f.evidence, o.evidence FROM perfops_finding f"
        " JOIN perfops_occurrence o ON o.finding_id = f.id WHERE advisor = 'long_queries'"
    ).fetchall() == [
        (21, text, f"runs: {text}", "", *(2 * [[["running for", "7 min"], ["statement", text]]]))
    ]

    # What is counted by the minute since then becomes an hour again.
    database.execute("UPDATE perfops_queryorigin SET at = date_trunc('hour', at)")
    database.execute(
        "INSERT INTO perfops_queryorigin (template_id, site, function, kind, name, span, at, calls,"
        " total_ms, rows, executions, max_calls_per_execution) SELECT template_id, site, function,"
        " kind, name, 'minute', at + n * interval '1 minute', 1, 1, 1, 1, 20"
        " FROM perfops_queryorigin, generate_series(1, 2) n"
    )

    migrate(database, BEFORE)
    assert read(database, KEPT) == before
    assert perfops_tables(database) == tables
    assert database.execute("SELECT units, most_calls FROM perfops_queryorigin").fetchall() == [
        (6, 20)
    ]
