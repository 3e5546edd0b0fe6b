"""The highest rate within the budgets, by real k6; and what is made of it."""

from types import SimpleNamespace

import msgspec
import pytest
from django.core.management import call_command

from perfops.budgets import services as budgets
from perfops.budgets import verdicts
from perfops.budgets.metrics.registry import every
from perfops.load import bottleneck, limit_search, selectors
from perfops.load import scenarios as plans
from perfops.load import services as runs
from perfops.load.limit_search import LimitSearch, Search
from perfops.load.parser import Intended, Timing, WrongBody
from perfops.load.recording import Recording
from perfops.load.scenarios import Scenario, Stage
from perfops.load.schedule import Schedule
from perfops.load.target_side import Look
from perfops.load.validity import VALID
from perfops.load.waits import WaitLook
from perfops.load.windows import Bound, Windows
from perfops.models import LoadRun
from perfops.models.budgets import Budget, Evaluation
from perfops.statistics.limits import Limit

BOUNDS = (Bound("p95 latency", "p95", 100.0), Bound("error rate", "error_rate", 0.05))
RATE = 50


def windows(ms, *, errors=0, seconds=5, skip=()):
    """Return ``seconds`` windows of a second at ``RATE``; ``ms``: by second, how long it took."""
    found = Windows(Schedule(Scenario("", RATE, (Stage(seconds, RATE),), 1)), BOUNDS, 1.0)
    for n in range(RATE * seconds):
        at = 1000 + n / RATE
        if int(n / RATE) in skip:
            continue
        took = ms(n // RATE)
        found.record(Timing(at + took / 1000, "/", took, n % 100 < errors, unreachable=False))
        found.record(Intended(at + took / 1000, "/", took, ""))
    return found


def test_a_load_within_its_bounds_is_within():
    outcome = windows(lambda _: 20.0).outcome(RATE, 5, skipped=1)
    assert (outcome.within, outcome.why, outcome.error_rate) == (True, "", 0)
    assert outcome.p95_ms == pytest.approx(20, rel=0.02)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (windows(lambda _: 150.0), "p95 latency was 151 ms"),
        (windows(lambda _: 20.0, errors=10), "error rate was 10.00%"),
        (windows(lambda second: 20.0 + 10 * second), "p95 latency grew, to 60.2 ms"),
        (windows(lambda _: 20.0, skip={3}), "150 of 200 requests were answered"),
    ],
)
def test_a_load_beyond_its_bounds_says_which_it_broke(made, why):
    outcome = made.outcome(RATE, 5, skipped=1)
    assert (outcome.within, outcome.why) == (False, why)


@pytest.mark.django_db
def test_a_hold_that_was_ended_early_is_judged_by_what_it_sent(monkeypatch):
    """k6 is interrupted after two broken windows: what it had not sent broke nothing."""

    def load(plan, windows, may_end):
        # Twelve seconds of a hold of twenty-one, each answered, and too slowly.
        for number in range(12 * RATE):
            at = 1000 + number / RATE
            windows.record(Timing(at + 0.15, "/", 150, error=False, unreachable=False))
            windows.record(Intended(at + 0.15, "/", 150, ""))
        assert may_end()

    monkeypatch.setattr(limit_search, "time", SimpleNamespace(time=lambda: 1012.0))
    monkeypatch.setattr(LimitSearch, "_rest", lambda self: None)
    plan = plans.find("smoke")
    search = LimitSearch(plan, Search(BOUNDS, 1000, 1), "http://127.0.0.1:9", Recording(), load)
    assert search._hold(float(RATE)) is False
    (outcome,) = search.outcomes
    assert outcome.why == "p95 latency was 151 ms"
    assert outcome.seconds == 9


def test_wrong_bodies_are_errors_and_a_window_is_judged_by_itself():
    made = windows(lambda second: 500.0 if second == 2 else 20.0)
    assert made.broken(2, RATE).startswith("p95 latency")
    assert made.broken(3, RATE) == ""
    for _ in range(10):
        made.record(WrongBody(1003.5, "/"))
    assert made.broken(3, RATE) == "error rate was 20.00%"


@pytest.mark.parametrize(
    ("looks", "waits", "kind"),
    [
        ([Look(5, {"cpu": 0.99})], [], "cpu"),
        ([Look(5, {"cpu": 0.99, "pool": 1.0})], [], "pool"),
        ([Look(5, {"cpu": 0.5})], [], ""),
        ([Look(50, {"cpu": 0.99})], [], ""),
        ([Look(5, {"pool": 1.0})], [WaitLook(5, 3, 4, "UPDATE shop")], "lock"),
        ([Look(5, {"cpu": 0.5})], [WaitLook(5, 0, 4, "SELECT slow")], "query"),
        ([], [], ""),
    ],
)
def test_the_bottleneck_is_what_was_full_or_waited_for_beyond_the_limit(looks, waits, kind):
    found = bottleneck.of([(0, 10)], looks, waits)
    assert found["kind"] == kind
    assert not waits or waits[0].text in found["sentence"]


LIMIT = {"rate": 800.0, "low": 760.0, "high": 850.0, "repeatability": 0.04}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("limit", "threshold", "outcome", "verdict"),
    [
        (LIMIT, 840, "near", "pass"),
        (LIMIT, 700, "met", "pass"),
        (LIMIT, 860, "violated", "fail"),
        ({**LIMIT, "low": 800.0, "high": None}, 700, "met", "pass"),
        ({**LIMIT, "low": 800.0, "high": None}, 900, "unknown", "invalid"),
        ({**LIMIT, "rate": None, "low": None, "high": 4.0}, 10, "violated", "fail"),
    ],
)
def test_a_budget_on_the_limit_fails_below_the_upper_end(limit, threshold, outcome, verdict):
    target = 900 if outcome == "near" else threshold
    Budget.objects.create(metric="rate_limit", target=target, threshold=threshold, action="fail")
    run = LoadRun.objects.create(
        scenario="smoke", target="http://x", plan={"find_limit": {}}, summary={"limit": limit}
    )
    found, reasons = verdicts.decide(run, VALID, judged=False)
    (only,) = Evaluation.objects.filter(run=run)
    assert (only.outcome, found) == (outcome, verdict), reasons
    assert Limit.from_row(limit).sentence() in reasons or verdict == "invalid"
    assert selectors.newest_ended() is None


@pytest.mark.django_db
def test_other_runs_are_not_held_against_it_and_a_search_needs_bounds():
    Budget.objects.create(metric="rate_limit", target=9, threshold=9, action="fail")
    plain = LoadRun.objects.create(scenario="smoke", target="http://x", summary={"requests": 9})
    assert all(e.budget.metric != "rate_limit" for e in budgets.evaluate(plain))
    search = budgets.limit_search(ceiling=500, minutes=2)
    assert {bound.quantity for bound in search.bounds} == {"p95", "error_rate"}
    Budget.objects.update(enabled=False)
    with pytest.raises(runs.RunRefused, match="nothing to seek"):
        runs.request_run(
            scenario="smoke", enqueue=False, limit=budgets.limit_search(ceiling=9, minutes=1)
        )
    with pytest.raises(runs.RunRefused, match="single requests"):
        runs.request_run(scenario="mixed", enqueue=False, limit=search)
    assert limit_search.of_plan({"find_limit": msgspec.to_builtins(search)}) == search
    assert every()["rate_limit"].of_limit


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_server_of_known_capacity_is_searched_in_one_run(
    scenario, site, monkeypatch, capsys, admin_client
):
    """Its capacity bounds what a busy machine may find as well; the rest is for simulations."""
    monkeypatch.setattr(limit_search, "_WINDOW_S", 1.0)
    site.capacity = 80
    Budget.objects.filter(metric="latency_p95").update(target=300, threshold=400)
    with pytest.raises(SystemExit):
        call_command(
            "run_load_test", scenario(rate=20), "--here", "--target", site.url, "--find-limit",
            "--up-to", "400", "--minutes", "0.9",
        )  # fmt: skip
    run = LoadRun.objects.get()
    assert run.state == LoadRun.State.FINISHED, (run.reasons, run.log)
    limit = run.summary["limit"]
    assert limit["holds"]
    # A window of a second ends before the queue of 1.4 times the capacity waits for 400 ms.
    assert limit["rate"] is None or limit["rate"] < site.capacity * 1.4
    assert limit["bottleneck"]["sentence"] in capsys.readouterr().out.replace("\n", " ")
    page = admin_client.get(f"/admin/perfops/loadrun/{run.pk}/change/").content.decode()
    assert "The highest rate within the budgets" in page
