"""check_budget beside the runs before: five are held against thirty, and too few are said."""

import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from perfops.budgets.earlier_runs import MIN_RUNS, WHOLE
from perfops.models.runs import LoadRun, RouteResult
from tests.perfops.budgets.test_verdicts import run_with

pytestmark = pytest.mark.django_db
# Deviations of a few percent that nothing decides by chance.
NOISE = (0.98, 1.01, 1.0, 1.02, 0.99, 1.015, 0.985)


def runs(count, *, slower=1.0, spread=1.0, routes=("/list",), requests=1000, **changes):
    """Make runs, oldest first; the newest five are ``slower`` by that factor."""
    found = []
    for place in range(count):
        run = run_with(**changes)
        LoadRun.objects.filter(pk=run.pk).update(
            created_at=timezone.now() - timedelta(hours=count - place), verdict="pass",
        )  # fmt: skip
        factor = (NOISE[place % len(NOISE)] - 1) * spread + 1
        ms = 100 * factor * (slower if place >= count - 5 else 1)
        for route in routes:
            RouteResult.objects.create(
                run=run, route=route, requests=requests, p50_ms=ms / 2, p95_ms=ms, p99_ms=ms * 2
            )
        found.append(run)
    return found


def check(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        call_command("check_budget", "--format", "json", *arguments)
    return ended.value.code, json.loads(capsys.readouterr().out)


def test_the_same_as_before_passes_and_says_what_would_have_been_seen(capsys):
    runs(WHOLE)
    code, report = check(capsys)
    assert code == 0
    assert "No route got slower than in the runs before (5 against 30)" in report["reasons"][-1]
    assert report["budgets"][-1]["name"] == "p95 of /list, beside earlier runs"
    assert report["budgets"][-1]["outcome"] == "met"


def test_a_tenth_slower_fails_though_every_limit_holds(capsys):
    runs(WHOLE, slower=1.12)
    code, report = check(capsys)
    assert (code, report["verdict"]) == (1, "fail")
    (broken,) = (each for each in report["budgets"] if each["outcome"] == "violated")
    assert broken["name"] == "p95 of /list, beside earlier runs"
    assert report["reasons"][-1].startswith("Slower than in the runs before (5 against 30): p95 of")


def test_a_host_that_is_too_noisy_is_no_pass(capsys):
    runs(WHOLE, spread=25)
    code, report = check(capsys)
    assert (code, report["verdict"]) == (2, "inconclusive")
    assert "It can't be told whether it got slower" in report["reasons"][-1]


@pytest.mark.parametrize(("count", "says"), [(MIN_RUNS - 1, "Nothing is said"), (20, "No route")])
def test_with_fewer_runs_it_says_so_and_the_limits_decide(capsys, count, says):
    runs(count)
    code, report = check(capsys)
    assert code == 0
    assert report["reasons"][-1].startswith(says)
    assert f"here are {count} in all" in report["reasons"][-1]


def stress(**changes):
    runs(**changes)
    LoadRun.objects.update(scenario="stress", plan={"judged": False})


def test_a_scenario_without_budgets_is_judged_by_the_runs_before_alone(capsys):
    stress(count=WHOLE)
    code, report = check(capsys, "--scenario", "stress")
    assert (code, report["verdict"]) == (0, "pass")
    assert report["reasons"][0] == "stress is not judged by budgets."
    LoadRun.objects.all().delete()
    stress(count=WHOLE, slower=1.2)
    assert check(capsys, "--scenario", "stress")[0] == 1
    LoadRun.objects.all().delete()
    # Too few to say that it is no slower.
    stress(count=20)
    assert check(capsys, "--scenario", "stress")[0] == 2


def test_runs_of_earlier_ci_runs_are_kept_in_a_file_and_read_into_an_empty_database(
    capsys, tmp_path
):
    """As ``.ci/performance keep`` and ``restore`` do it."""
    stress(count=WHOLE, slower=1.2)
    file = str(tmp_path / "runs.json.gz")
    call_command("dumpdata", "perfops.loadrun", "perfops.routeresult", output=file)
    LoadRun.objects.all().delete()
    call_command("loaddata", file, ignorenonexistent=True, verbosity=0)
    assert check(capsys, "--scenario", "stress")[0] == 1


def test_with_fewer_runs_a_large_shift_fails_all_the_same(capsys):
    runs(20, slower=1.5)
    assert check(capsys)[0] == 1


def test_runs_over_other_rows_or_of_another_machine_are_not_the_history(capsys):
    before = runs(WHOLE)
    for run in before[:-1]:
        run.fingerprint = {"cores": 64}
        run.save(update_fields=["fingerprint"])
    code, report = check(capsys)
    assert code == 0
    assert "here are 1 in all" in report["reasons"][-1]


def test_routes_with_few_requests_are_judged_by_their_median_or_not_at_all(capsys):
    runs(WHOLE, slower=1.2, requests=50)
    code, report = check(capsys)
    assert code == 1
    assert any(each["name"].startswith("p50 of /list") for each in report["budgets"])
    LoadRun.objects.all().delete()
    runs(WHOLE, requests=5)
    assert check(capsys)[0] == 2
