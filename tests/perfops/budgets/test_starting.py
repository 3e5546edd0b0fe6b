"""What a run is to be other than its scenario says: one rule, wherever it is asked for."""

import json

import pytest
from django.core.management import call_command

from perfops import tasks
from perfops.budgets import starting
from perfops.budgets.starting import Wishes
from perfops.load.services import RunRefused
from perfops.models import LoadRun
from tests.perfops.rest.test_operations import bot

WISHES = {"rate": 50, "seconds": 60, "mix": {"health": 1, "profile": 3}, "rows": 40}
PLAN = {
    "peak_rate": pytest.approx(50, abs=0.1), "duration_s": pytest.approx(60, abs=0.01),
    "parameters": {"mix": {"health": 1, "profile": 3}, "rows": 40, "data_set": ""},
}  # fmt: skip


@pytest.mark.parametrize(
    ("wishes", "fields"),
    [
        ({"find_limit": True, "rate": 5.0, "abort_after": 3.0}, {"rate", "abort_after"}),
        ({"up_to": 5.0, "minutes": 3.0}, {"up_to", "minutes"}),
        ({"abort_after": float("inf")}, {"abort_after"}),
        ({"abort_after": -1.0}, {"abort_after"}),
        ({"mix": {"a": float("nan")}}, {"mix"}),
        ({"mix": {"a": 0.0}}, {"mix"}),
        ({"find_limit": True, "up_to": 5.0, "minutes": 3.0}, set()),
        ({"rate": 5.0, "abort_after": 0.0, "mix": {"a": 0.0, "b": 1.0}}, set()),
    ],
)
def test_what_does_not_go_together_is_refused_by_field(wishes, fields):
    assert starting.refusals(Wishes(**wishes)).keys() == fields


def by_schedule(wishes):
    tasks.scheduled_run("smoke", **wishes, abort_after=9)


def at_the_terminal(wishes):
    parts = [f"--mix={part} {share}" for part, share in wishes["mix"].items()]
    rest = [f"--{name}={value}" for name, value in wishes.items() if name != "mix"]
    with pytest.raises(SystemExit):
        # Nobody answers there: the run ends at once.
        call_command("run_load_test", "smoke", "--here", "--target=http://127.0.0.1:9",
                     "--abort-after=9", *parts, *rest)  # fmt: skip


def over_rest(wishes):
    answer = bot().post("/perfops/runs", {"scenario": "smoke", **wishes, "abort_after": 9})
    assert answer.status_code == 201, answer.json()


def in_the_form(wishes, client):
    lines = "\n".join(f"{part} {share}" for part, share in wishes["mix"].items())
    form = {"scenario": "smoke", "target": "http://127.0.0.1:3001", "abort_after": 9}
    client.post("/admin/perfops/loadrun/start/", {**form, **wishes, "mix": lines})


@pytest.mark.django_db
@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize("ask", [by_schedule, at_the_terminal, over_rest, in_the_form])
def test_the_same_wishes_are_the_same_plan_wherever_they_are_asked_for(ask, admin_client):
    ask(WISHES, admin_client) if ask is in_the_form else ask(WISHES)
    plan = LoadRun.objects.get().plan
    assert {name: plan[name] for name in PLAN} == PLAN
    assert plan["abort"]["after_s"] == 9


@pytest.mark.django_db
@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize(
    ("wishes", "says"),
    [
        ({"mix": {"nothing": 1}}, "has no part nothing. It has: health"),
        ({"data_set": "random"}, "only their number"),
        ({"rate": 99_999}, "MAX_RATE"),
        ({"minutes": 3}, "Only where the highest rate is sought"),
        ({"mix": {"health": -1}}, "body.mix"),
        ({"rows": 0}, "body.rows"),
        ({"mix": {"a\0b": 1}}, "null character"),
    ],
)
def test_over_rest_they_are_refused_with_the_reason(wishes, says):
    answer = bot().post("/perfops/runs", {"scenario": "smoke", **wishes})
    assert answer.status_code == 422
    assert says in json.dumps(answer.json())
    assert not LoadRun.objects.exists()


@pytest.mark.django_db
def test_at_the_terminal_and_in_schedules_too(capsys):
    for words, says in (
        (["--mix=health"], "is no part and its share"),
        (["--mix=x 1"], "has no part x"),
        (["--rows=0"], "from 1 to"),
        (["--up-to=5"], "Only where the highest rate is sought"),
    ):
        with pytest.raises(SystemExit) as ended:
            call_command("run_load_test", "smoke", *words)
        assert ended.value.code == 2
        assert says in capsys.readouterr().err
    with pytest.raises(RunRefused, match="only their number"):
        tasks.scheduled_run("smoke", data_set="newest")
    with pytest.raises(ValueError, match="unknown field"):
        tasks.scheduled_run("smoke", speed=5)
