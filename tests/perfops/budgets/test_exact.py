"""Counts of single requests as part of --against: what grew fails it, whatever the noise."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from perfops.budgets import waivers
from perfops.budgets.against import checkouts, comparing, exact
from perfops.budgets.against.checkouts import Recipe
from perfops.budgets.against.committed_growth import CommittedGrowth
from perfops.budgets.against.measuring import Wanted
from perfops.load import routes
from perfops.management import against_report, console
from perfops.models.decisions import Waiver
from perfops.statistics.gate import Decision, Outcome

pytestmark = pytest.mark.django_db
NAME = "statements of /list"


def row(name, outcome, value):
    return {
        "name": name, "action": "fail", "outcome": outcome, "value": value, "target": 1,
        "threshold": 1, "margin": 0.0, "reason": "", "is_waived": False,
    }  # fmt: skip


def data(outcome="violated"):
    return {
        "exit_code": 1, "reasons": [], "budgets": [row(NAME, outcome, 21), row("rows", "met", 1)],
        "causes": [
            {"route": "/list", "what": "more calls", "statement": "SELECT", "site": "a.py:1 f",
             "ms": None, "files": ["a.py"], "commits": ["abc It"]},
        ],
    }  # fmt: skip


def reported(found, outcome=Outcome.PASS, pairs=12):
    compared = comparing.Compared(Decision(outcome, ("So.",), ()), pairs, exact=found)
    return against_report.as_report(compared, "This build against main")


def waive():
    Waiver.objects.create(budget=NAME, reason="Known.", ends_at=timezone.now() + timedelta(days=1))


def test_a_count_that_grew_fails_and_names_its_cause():
    found = exact.judged(data(), waivers.read(), CommittedGrowth())
    assert found.is_broken
    report = reported(found, Outcome.INCONCLUSIVE, pairs=0)
    assert report.code == console.NOT_FINE
    assert [each.name for each in report.judgements] == [NAME]
    assert report.causes[0].commits == ("abc It",)
    assert "1 of 2 counts of single requests did not grow." in report.reasons


def test_a_waived_count_leaves_the_verdict_to_the_load_and_an_unknown_one_is_no_pass():
    waive()
    found = exact.judged(data(), waivers.read(), CommittedGrowth())
    assert not found.is_broken
    assert reported(found).code == console.FINE
    assert reported(found, Outcome.INCONCLUSIVE).code == console.COULD_NOT_TELL
    assert (
        reported(exact.judged(data("unknown"), waivers.read(), CommittedGrowth())).code
        == console.COULD_NOT_TELL
    )


@pytest.mark.parametrize("of_old", [0, 2])
def test_what_can_not_be_counted_is_said(monkeypatch, tmp_path, of_old):
    answers = {"--update": {"exit_code": of_old, "reasons": ["Old."]},
               "--deterministic": {"budgets": [], "reasons": ["New."]}}  # fmt: skip
    monkeypatch.setattr(exact, "report_of", lambda side, how, words: answers[words.split()[0]])
    side = checkouts.Side("new", tmp_path, "db", tmp_path, 1, "python")
    found = exact.compare((side, side), Recipe(), None, "main", waivers.read())
    assert found.reasons == [f"Requests were not counted: {'Old.' if of_old else 'New.'}"]
    assert reported(found).code == console.FINE


def test_a_build_says_in_json_what_its_requests_cost(tmp_path):
    (tmp_path / "manage.py").write_text(f"print({json.dumps(json.dumps(data()))})")
    side = checkouts.Side("old", tmp_path, "db", tmp_path, 1, "python3")
    assert exact.report_of(side, Recipe(environment={}), "--update") == data()


def test_what_is_counted_is_the_recipes_file_else_the_scenarios_and_can_be_read(settings, tmp_path):
    """A scenario's file with its paths written out was none that could be counted by."""
    (tmp_path / "routes.json").write_text('{"/a": 1}')
    (tmp_path / "scenarios.json").write_text(
        '{"smoke": {"title": "t", "start_rate": 1, "stages": [{"seconds": 5, "rate": 1}],'
        ' "max_vus": 1}}'
    )
    settings.PERFOPS = {**settings.PERFOPS, "SCENARIO_DIR": tmp_path}
    found = comparing.routes_of(Wanted(), Recipe())
    assert list(routes.read(found)) == ["/a"]
    own = comparing.routes_of(Wanted(), Recipe(routes="infra/k6/counted.json"))
    assert own.is_absolute()
    assert "/api/v1/profiles?limit=100" in routes.read(own)
    (tmp_path / "routes.json").rename(tmp_path / "routes.js")
    assert comparing.routes_of(Wanted(), Recipe()) is None


def test_what_grew_is_not_loaded(monkeypatch, tmp_path):
    pair = checkouts.Side("old", tmp_path, "a", tmp_path, 1, ""), None
    monkeypatch.setattr(checkouts, "prepared", lambda ref, how: Yielding(pair))
    monkeypatch.setattr(comparing, "routes_of", lambda *_: None)
    monkeypatch.setattr(
        exact, "compare", lambda *_: exact.judged(data(), waivers.read(), CommittedGrowth())
    )
    found = comparing.compare("main", Wanted(), lambda _: None)
    assert (found.decision.outcome, found.pairs) == (Outcome.FAIL, 0)


class Yielding:
    def __init__(self, what):
        self.what = what

    def __enter__(self):
        return self.what

    def __exit__(self, *_):
        return None


def test_what_a_second_count_of_the_build_does_not_show_is_no_violation():
    first, met = data(), data("met")
    assert exact.confirmed(first, data()) == {**first, "exit_code": True}
    again = exact.confirmed(first, met)
    assert (again["exit_code"], again["causes"]) == (False, [])
    assert [each["outcome"] for each in again["budgets"]] == ["met", "met"]
    assert not exact.judged(again, waivers.read(), CommittedGrowth()).is_broken
