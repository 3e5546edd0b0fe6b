"""Findings live on between analyses."""

import dataclasses
from datetime import timedelta

import pytest
from django.utils import timezone

from perfops.analysis import findings, selectors, triage
from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.coverage import Coverage
from perfops.models import Analysis, Finding

pytestmark = pytest.mark.django_db
ADVICE = DetectedIssue("slow_queries", "SELECT 1", "warning", "is slow", "why", "remedy")


def analysis_that_sees(*advice):
    analysis = Analysis.objects.create()
    findings.record(analysis, advice)
    return analysis


def day(number):
    """So many days from now: at midnight that is another day than a moment before."""
    return timezone.localdate() + timedelta(days=number)


def only():
    return Finding.objects.get()


def test_the_same_illness_is_one_finding_over_many_analyses():
    analysis_that_sees(ADVICE)
    first = only()
    analysis_that_sees(ADVICE)
    again = only()
    assert again.pk == first.pk
    assert again.last_seen_at > first.last_seen_at
    assert again.occurrences.count() == 2


def test_the_evidence_keeps_its_reading_order():
    evidence = {"rows": 5, "a much longer label": "50%", "b": 1.5}
    analysis = analysis_that_sees(dataclasses.replace(ADVICE, evidence=evidence))
    assert only().evidence == [[label, value] for label, value in evidence.items()]
    (seen,) = selectors.findings_of(analysis, limit=10)
    assert seen.evidence == only().evidence


def test_what_is_not_seen_is_resolved_and_what_comes_back_is_reopened():
    analysis_that_sees(ADVICE)
    analysis_that_sees()
    assert (only().status, only().resolved_at is not None) == ("resolved", True)
    analysis_that_sees(ADVICE)
    assert (only().status, only().reopened, only().resolved_at) == ("open", 1, None)


def test_what_hides_one_object_keeps_its_findings_alone_open():
    column = dataclasses.replace(ADVICE, object="public.hidden.id")
    other = dataclasses.replace(ADVICE, object="public.hidden_not")
    analysis_that_sees(column, other)
    coverage = Coverage(frozenset({ADVICE.advisor}), {ADVICE.advisor: frozenset({"public.hidden"})})
    analysis = Analysis.objects.create()
    findings.record(analysis, [], coverage=coverage)
    assert Finding.objects.get(object="public.hidden_not").status == "resolved"
    (kept,) = findings.unchecked(analysis, [], coverage)
    assert (kept.object, kept.status) == ("public.hidden.id", "open")


def test_acknowledged_stays_acknowledged_until_it_is_gone():
    analysis_that_sees(ADVICE)
    assert triage.acknowledge([only().pk])
    analysis_that_sees(ADVICE)
    assert only().status == "acknowledged"
    assert not triage.acknowledge([only().pk])


def test_a_mute_ends_on_its_day():
    analysis_that_sees(ADVICE)
    triage.mute([only().pk], until=day(2), reason="known")
    analysis_that_sees(ADVICE)
    assert only().status == "muted"
    Finding.objects.update(muted_until=day(-2))
    analysis_that_sees(ADVICE)
    assert (only().status, only().mute_reason) == ("open", "")


@pytest.mark.parametrize(
    ("days", "reason", "says"), [(2, "  ", "Say why"), (0, "x", "not in the future")]
)
def test_a_mute_needs_a_reason_and_an_end(days, reason, says):
    analysis_that_sees(ADVICE)
    with pytest.raises(triage.NotMuted, match=says):
        triage.mute([only().pk], until=day(days), reason=reason)
    assert only().status == "open"


def test_opening_again_undoes_a_mute_but_not_a_cure():
    analysis_that_sees(ADVICE)
    triage.mute([only().pk], until=day(2), reason="known")
    assert triage.reopen([only().pk])
    assert only().status == "open"
    analysis_that_sees()
    assert not triage.reopen([only().pk])


def test_another_databases_findings_are_left_alone():
    analysis_that_sees(ADVICE)
    findings.record(Analysis.objects.create(database="other"), [])
    assert only().status == "open"


def test_who_could_not_look_has_cured_nothing():
    analysis_that_sees(ADVICE, dataclasses.replace(ADVICE, advisor="growth"))
    findings.record(Analysis.objects.create(), [], coverage=Coverage(frozenset({"growth"})))
    assert dict(Finding.objects.values_list("advisor", "status")) == {
        "slow_queries": "open", "growth": "resolved",
    }  # fmt: skip


def test_a_statement_is_known_by_its_number_and_not_by_its_text():
    first = dataclasses.replace(ADVICE, subject="42")
    analysis_that_sees(first)
    analysis_that_sees(dataclasses.replace(first, object="/* another */ SELECT 1", title="other"))
    assert (only().occurrences.count(), only().title) == (2, "other")
    analysis_that_sees(dataclasses.replace(first, subject="43"))
    assert Finding.objects.count() == 2


def test_the_worst_open_finding_stands_first():
    advice = [
        dataclasses.replace(ADVICE, object=name, severity=severity)
        for name, severity in (("a", "info"), ("b", "error"), ("c", "warning"), ("d", "error"))
    ]
    analysis_that_sees(*advice)
    triage.acknowledge([Finding.objects.get(object="b").pk])
    ranked = selectors.worst_first(Finding.objects.all()).order_by("status_rank", "rank")
    assert [finding.object for finding in ranked] == ["d", "c", "a", "b"]


@pytest.mark.slow
def test_thousands_of_findings_are_written_with_few_queries(django_assert_max_num_queries):
    advice = [dataclasses.replace(ADVICE, object=str(n)) for n in range(2_000)]
    for _ in range(2):
        with django_assert_max_num_queries(20):
            findings.record(Analysis.objects.create(), advice)
    assert Finding.objects.filter(status="open").count() == 2_000
    assert {f.occurrences.count() for f in Finding.objects.all()[:3]} == {2}
