"""One statement per row of another is found, and what looks like it is not."""

from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module

import msgspec
import pytest
from django.apps import apps
from django.db import connection

from perfops.analysis import findings, triage
from perfops.analysis.advisors import n_plus_one
from perfops.analysis.collectors import difference
from perfops.analysis.collectors.origins import Origin
from perfops.conf import Conf
from perfops.models import Analysis, Finding
from perfops.models.origins import QueryTemplate
from tests.perfops.analysis.test_snapshots import look

ORIGIN = Origin(
    text='SELECT "a" FROM "t" WHERE "id" = %s', queryids=("1",), site="shop/views.py:7",
    function="shelf", kind="request", name="GET /shelves/{id}", calls=200, executions=10,
    max_calls_per_execution=60, rows=200, total_ms=80.0, repeated_executions=10,
    repeated_calls=200,
)  # fmt: skip


def advice(*every, **changes):
    window = difference.since_reset(look(100))
    origins = tuple(
        msgspec.structs.replace(ORIGIN, **{"repeated_calls": each.get("calls", 200), **each})
        for each in every or (changes,)
    )
    return n_plus_one.run(replace(window, origins=origins), Conf())


def test_many_calls_per_request_from_one_line_are_found():
    (found,) = advice()
    assert found.severity == "warning"
    assert "one statement on t 20.0 times per request, from shop/views.py:7" in found.title
    assert found.evidence["most in one request"] == 60
    assert "grows with the data" in found.why


def test_far_too_many_are_an_error():
    (found,) = advice(calls=400, max_calls_per_execution=40)
    assert found.severity == "error"
    assert "does not grow" in found.why


def test_a_command_of_perfops_that_waits_for_a_run_is_none():
    site = "perfops/jobs/lifecycle.py:185"
    for kind in ("command", "task"):
        assert advice(kind=kind, name="run_load_test", site=site, calls=900) == []
    assert advice(kind="command", name="bill", site="shop/bills.py:3", calls=900) != []
    assert advice(site=site) != []


def test_ten_requests_among_a_thousand_are_found():
    (found,) = advice(
        calls=2_990, executions=1_000, repeated_executions=10, repeated_calls=2_000,
        max_calls_per_execution=200,
    )  # fmt: skip
    assert found.severity == "error"
    assert "200.0 times in 10 of 1,000 requests" in found.title
    assert "grows with the data" in found.why


def test_a_few_in_each_request_that_never_grow_are_a_milder_thing():
    (found,) = advice(
        calls=5_000, executions=1_000, repeated_executions=1_000, max_calls_per_execution=5
    )
    assert (found.severity, "does not grow" in found.why) == ("info", True)


@pytest.mark.parametrize(
    "text",
    ['INSERT INTO "t" ("a") VALUES (%s)', 'UPDATE "t" SET "a" = %s', 'DELETE FROM "t" WHERE x'],
)
def test_writes_in_a_loop_are_found_and_get_a_remedy_of_their_own(text):
    (found,) = advice(text=text)
    assert "sends one statement on t 20.0 times per request" in found.title
    assert "bulk_create" in found.remedy


@pytest.mark.parametrize(
    "changes",
    [
        {"calls": 40},
        {"kind": "command", "calls": 200, "executions": 10},
        # Django's own commands ask from no line of the project.
        {"kind": "command", "site": "", "calls": 456, "executions": 1, "repeated_executions": 1},
        {"kind": "process"},
        {"executions": 0},
        {"text": "SAVEPOINT x"},
        # One executemany of 200 is one way to the database.
        {"calls": 2_000, "repeated_executions": 0, "repeated_calls": 0},
        # A few more in a few requests.
        {"calls": 1_018, "executions": 1_000, "repeated_executions": 3, "repeated_calls": 21},
    ],
)
def test_what_only_looks_like_it_is_left_alone(changes):
    assert advice(**changes) == []


def test_a_command_that_asks_row_by_row_is_shown():
    (found,) = advice(
        kind="command", name="send_reminders", calls=456, executions=1, repeated_executions=1,
        max_calls_per_execution=456,
    )  # fmt: skip
    assert found.severity == "warning"
    assert "send_reminders sends one statement on t 456.0 times per command" in found.title


def test_without_a_line_of_the_project_the_view_and_the_relation_are_named():
    (found,) = advice(
        site="", function="library.views.EntryList", relation="admin.LogEntry.user", name="GET /e/"
    )
    assert found.title.endswith("20.0 times per request, from library.views.EntryList")
    assert found.evidence["relation"] == "admin.LogEntry.user"
    assert "select_related('user') on the queryset that reads admin.LogEntry" in found.remedy
    (early,) = advice(site="", function="request.session, read by a.B", name="GET /e/")
    assert early.evidence["asked for"] == "request.session, read by a.B"
    assert "SESSION_ENGINE" in early.remedy
    (nowhere,) = advice(site="", function="", name="GET /e/")
    assert (nowhere.object, nowhere.site) == ("GET /e/", "")


OTHER = 'SELECT EXTRACT(YEAR FROM "u"."made") FROM "u" WHERE "t_id" = %s'


@pytest.mark.django_db
def test_two_statements_from_one_line_are_two_findings_that_live_on_whichever_is_worse():
    def record(*origins):
        findings.record(Analysis.objects.create(), advice(*origins))
        return {f.title.partition(" on ")[2][0]: f for f in Finding.objects.all()}

    first = record({"queryids": ("1",)}, {"text": OTHER, "queryids": ("2",)})
    assert {name: found.queryids for name, found in first.items()} == {"t": ["1"], "u": ["2"]}
    triage.acknowledge([first["t"].pk])
    # After a restart on another version: other ids, another order.
    again = record({"text": OTHER, "queryids": ("8",), "calls": 400}, {"queryids": ("9",)})
    assert {name: found.pk for name, found in again.items()} == {
        name: found.pk for name, found in first.items()
    }
    assert (again["t"].status, again["u"].status) == ("acknowledged", "open")
    # Who mends one of them still has the other.
    last = record({"text": OTHER})
    assert (last["t"].status, last["u"].status) == ("resolved", "open")


def test_one_question_about_lists_of_several_lengths_is_one_finding():
    asked = [f'SELECT "a" FROM "t" WHERE "id" IN ({", ".join(["%s"] * n)})' for n in (3, 1, 2)]
    (found,) = advice(*({"text": text, "calls": 400 - n} for n, text in enumerate(asked)))
    assert found.evidence["calls"] == 400


@pytest.mark.django_db
def test_findings_from_before_statements_were_told_apart_live_on():
    """And one whose statement nobody remembers is left as it is."""
    for number, text in enumerate((OTHER, ORIGIN.text.replace("FROM", "\n  FROM")), 1):
        QueryTemplate.objects.create(
            id=number, database="default", text=text, queryids=["1"],
            first_seen_at=datetime.now(UTC),
        )  # fmt: skip
    before = [
        replace(each, subject="")
        for each in advice({"text": OTHER}, {"site": "a.py:1", "queryids": ("5",)})
    ]
    findings.record(Analysis.objects.create(), before)
    known, forgotten = Finding.objects.order_by("-object")
    triage.acknowledge([known.pk])
    migration = import_module("perfops.migrations.0011_n_plus_one_by_statement")
    with connection.schema_editor() as editor:
        migration.tell_apart(apps, editor)
    findings.record(Analysis.objects.create(), advice({"text": OTHER}))
    known.refresh_from_db()
    assert (known.status, known.occurrences.count()) == ("acknowledged", 2)
    forgotten.refresh_from_db()
    assert forgotten.fingerprint == before[1].fingerprint
