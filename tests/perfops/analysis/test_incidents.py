"""One cause is one incident; the real problem stands first, and what is nobody's comes last."""

from dataclasses import replace

import pytest

from perfops.analysis import findings, incidents, selectors
from perfops.analysis.advisors.detection import DetectedIssue, IndexSubject
from perfops.analysis.collectors.origins import Origin
from perfops.analysis.collectors.records import Statement
from perfops.conf import Conf
from perfops.management.formats import renderers
from perfops.models import Analysis
from tests.perfops.analysis.test_advisors import TABLE, changed, window
from tests.perfops.analysis.test_reports import report

TEXTS = {
    "1": "SELECT * FROM orders WHERE note = $1",
    "2": "INSERT INTO orders SELECT * FROM generate_series($1, $2)",
    "3": "COPY public.orders (id) TO stdout",
    "4": "CREATE INDEX CONCURRENTLY x ON orders (note)",
    "5": 'SELECT "perfops_finding"."id" FROM "perfops_finding"',
    "6": "SELECT name FROM orders WHERE id = $1",
}
MS = {"1": 300.0, "2": 500.0, "3": 50.0, "4": 50.0, "5": 50.0, "6": 50.0}


def origin(queryid, kind, name, site="shop/views.py:7", ms=10.0):
    return Origin("", (queryid,), site, "f", kind, name, 9, 9, 1, 9, ms)


def seen(**parts):
    statements = tuple(
        Statement(queryid, text, 10, MS[queryid], 10, 0, 0, 0, 0) for queryid, text in TEXTS.items()
    )
    origins = (origin("1", "request", "GET /orders"), origin("2", "command", "seed"))
    table = changed(TABLE, name="orders")
    return replace(window(statements=statements, tables=[table], **parts), origins=origins)


def issue(advisor, object_, severity="warning", **changes):
    return DetectedIssue(
        advisor, object_, severity, f"{advisor} of {object_}", "why", "do", **changes
    )


SLOW = [
    issue("slow_queries", text, subject=queryid, queryids=(queryid,))
    for queryid, text in TEXTS.items()
]
MISSING = issue(
    "missing_index", "public.orders (note)", queryids=("1",),
    index=IndexSubject("public", "orders", ""),
)  # fmt: skip
SCANS = issue("sequential_scans", "public.orders", "error")


def test_symptom_table_and_recommendation_are_one_incident_and_stand_first():
    first, *rest = incidents.arrange(seen(), [*SLOW, MISSING, SCANS], Conf())
    assert [each.advisor for each in first.issues] == [
        "sequential_scans", "slow_queries", "missing_index",
    ]  # fmt: skip
    assert (first.impact, first.apart) == (0.3, "")
    assert [(each.issues[0].queryids, each.apart) for each in rest] == [
        (("6",), ""),
        (("2",), "seeding and commands"),
        (("3",), "backups"),
        (("4",), "migrations and maintenance"),
        (("5",), "perfops itself"),
    ]


def test_what_a_request_sends_as_well_is_not_set_apart():
    both = replace(
        seen(), origins=(origin("2", "command", "seed"), origin("2", "request", "POST /"))
    )
    (only,) = incidents.arrange(both, [SLOW[1]], Conf())
    assert only.apart == ""


def test_two_indexes_of_a_table_are_two_incidents_and_two_findings_of_one_index_are_one():
    unused, twin, other = (
        issue(advisor, f"public.{name}", index=IndexSubject("public", "orders", name))
        for advisor, name in (("unused_indexes", "a"), ("duplicate_indexes", "a"), ("bloat", "b"))
    )
    arranged = incidents.arrange(seen(), [unused, other, twin], Conf())
    assert sorted(len(each.issues) for each in arranged) == [1, 2]


MANY = [issue("unused_indexes", f"public.i{n}") for n in range(8)]


@pytest.mark.parametrize("name", sorted(set(renderers()) - {"json", "sarif"}))
def test_eight_of_a_kind_are_one_line_in_every_form(name):
    shown = renderers()[name](replace(report(*MANY, SLOW[1]), window=seen()))
    assert "8 of Unused indexes: public.i0, public.i1, public.i2 and 5 more" in " ".join(
        shown.replace("\\", "").split()
    )
    assert shown.index("Unused indexes") < shown.lower().index("set apart")


def test_162_hints_about_an_empty_database_are_one_line():
    hints = [issue("unused_indexes", f"public.i{n}", "info") for n in range(162)]
    told = [each for each in renderers()["text"](report(*hints)).splitlines() if "public.i" in each]
    (line,) = told
    assert "162 of Unused indexes: public.i0, public.i1, public.i2 and 159 more" in line


@pytest.mark.django_db
def test_the_page_has_the_order_and_the_lines_of_the_report(admin_client):
    arranged = incidents.arrange(seen(), [*SLOW, *MANY, MISSING, SCANS], Conf())
    analysis = Analysis.objects.create(state="finished")
    findings.record(analysis, [i for e in arranged for i in e.issues], incidents=arranged)
    lines = selectors.lines_of(selectors.findings_of(analysis, limit=100))
    told = [len([s for its in line.incidents for s in its]) for line in lines]
    assert (told[0], sorted(told)[-1]) == (3, 8)
    page = admin_client.get(f"/admin/perfops/analysis/{analysis.pk}/change/").content.decode()
    assert page.index("sequential_scans of public.orders") < page.index("8 of Unused indexes")
    assert page.index("8 of Unused indexes") < page.index("Set apart: seeding and commands")
    assert "30.0% of the database&#x27;s time" in page
