"""A scenario in another size: its shape is kept, and the run that is stored is the one sent."""

from dataclasses import replace

import msgspec
import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from perfops import tasks
from perfops.budgets import verdicts
from perfops.load import execution, sizing
from perfops.load import scenarios as plans
from perfops.load import services as runs
from perfops.load.scenarios import Plan, Scenario, Stage
from perfops.load.sizing import Size
from perfops.models import LoadRun

STAGES = (Stage(10, 100), Stage(30, 100), Stage(10, 0))
PLAN = Plan("x", Scenario("", 20, STAGES, 200), plans.SCRIPTS, plans.SCRIPTS, None)


@given(st.floats(10, 5000), st.floats(5, 7200), st.integers(1, 10))
def test_the_shape_is_kept(rate, seconds, session_requests):
    spec = msgspec.structs.replace(PLAN.spec, session_requests=session_requests)
    found = sizing.sized(replace(PLAN, spec=spec), Size(rate, seconds))
    assert found.peak_rate == pytest.approx(rate, abs=0.05 * session_requests + 1e-6)
    assert found.duration_s == pytest.approx(seconds, abs=0.01)
    assert found.spec.stages[0].rate == found.spec.stages[1].rate
    assert found.spec.stages[1].seconds == pytest.approx(seconds * 0.6, abs=0.01)
    assert 200 <= found.spec.max_vus <= 4000


def test_without_a_size_the_plan_is_that_of_the_file():
    assert sizing.sized(PLAN, Size()) == PLAN
    assert sizing.as_row(PLAN, Size()) == PLAN.as_row()
    assert sizing.of_run(PLAN, PLAN.as_row()) is PLAN


def test_what_is_executed_is_what_was_stored():
    row = sizing.as_row(PLAN, Size(rate=7, seconds=12))
    assert sizing.of_run(PLAN, row).as_row() == {k: v for k, v in row.items() if k != "size"}


@pytest.mark.parametrize("size", [Size(rate=0.5), Size(rate=20_000), Size(seconds=99_999)])
def test_more_than_anybody_means_is_refused(size):
    with pytest.raises(sizing.SizeRefused, match="must be from"):
        sizing.sized(PLAN, size)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("wanted", "stored"),
    [
        ({"rate": 30, "seconds": 60}, {"peak_rate": 30, "duration_s": 60}),
        ({"find_limit": True, "up_to": 50, "minutes": 2}, {"peak_rate": 50, "duration_s": 120}),
    ],
)
def test_a_schedule_has_the_size_or_seeks_the_limit(wanted, stored):
    tasks.scheduled_run("smoke", **wanted)
    plan = LoadRun.objects.get().plan
    assert {name: plan[name] for name in stored} == pytest.approx(stored, abs=0.01)
    assert ("find_limit" in plan) == ("find_limit" in wanted)


@pytest.mark.django_db
def test_a_size_and_a_search_for_the_limit_are_no_pair():
    with pytest.raises(runs.RunRefused, match="rates of its own"):
        tasks.scheduled_run("smoke", find_limit=True, rate=5)
    with pytest.raises(runs.RunRefused, match="must be from"):
        runs.request_run(scenario="smoke", size=Size(rate=99_999))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("wanted", "setting"),
    [
        ({"rate": 301}, "MAX_RATE"),
        ({"rate": float("nan")}, "MAX_RATE"),
        ({"seconds": 301}, "MAX_SECONDS"),
        ({"find_limit": True, "up_to": 301, "minutes": 2}, "MAX_RATE"),
        ({"find_limit": True, "up_to": 200, "minutes": 6}, "MAX_SECONDS"),
        ({"scenario": "stress"}, "MAX_RATE"),
    ],
)
def test_the_caps_hold_for_whatever_starts_load(settings, capsys, admin_client, wanted, setting):
    """Schedules, the form and the command line; a scenario as its file has it, too."""
    settings.PERFOPS = {**settings.PERFOPS, "MAX_RATE": 300, "MAX_SECONDS": 300}
    scenario = wanted.pop("scenario", "smoke")
    with pytest.raises(runs.RunRefused, match=setting):
        tasks.scheduled_run(scenario, **wanted)
    form = {"scenario": scenario, "target": "http://127.0.0.1:3001", **wanted}
    page = admin_client.post("/admin/perfops/loadrun/start/", form).content.decode()
    # Django's own field refuses what is no number.
    assert setting in page or "Enter a number" in page
    words = [f"--{name.replace('_', '-')}={value}" for name, value in wanted.items()]
    words = [word.removesuffix("=True") for word in words]
    with pytest.raises(SystemExit) as ended:
        call_command("run_load_test", scenario, *words)
    assert ended.value.code == 2
    assert setting in capsys.readouterr().err
    assert not LoadRun.objects.exists()


@pytest.mark.django_db
def test_a_file_that_was_changed_meanwhile_is_held_against_the_caps(settings):
    run = runs.request_run(scenario="smoke", enqueue=False)
    settings.PERFOPS = {**settings.PERFOPS, "MAX_RATE": 30}
    execution.execute(run.pk, verdicts.decide)
    run.refresh_from_db()
    assert run.state == LoadRun.State.FAILED
    assert "MAX_RATE" in run.reasons[0]
