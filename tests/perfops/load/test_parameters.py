"""A scenario with another mix or over other rows: refused with the reason, stored, and sent so."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Group

from perfops import tasks
from perfops.load import parameters, routes
from perfops.load import scenarios as plans
from perfops.load import services as runs
from perfops.load.parameters import Parameters, ParametersRefused
from perfops.models import LoadRun

ROUTES = {"/": 9, "/groups/{name}": {"share": 1, "model": "auth.Group"}}


@pytest.fixture
def plan(tmp_path, settings):
    (tmp_path / "routes.json").write_text(json.dumps(ROUTES))
    settings.PERFOPS = {**settings.PERFOPS, "SCENARIO_DIR": tmp_path}
    return plans.find("smoke")


def test_a_mix_is_lines_of_a_part_and_its_share():
    assert parameters.parse_mix("") == {}
    assert parameters.parse_mix("/a b 30\n\n  /c/{id}  1.5 \n/d 0") == {"/a b": 30, "/c/{id}": 1.5}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("/a", "is no part and its share"),
        ("/a much", "is no part and its share"),
        ("/a -1", "is no part and its share"),
        ("/a inf", "is no part and its share"),
        ("30", "is no part and its share"),
        ("/a 0", "At least one share"),
        ("/a 1\n/a 2", "there twice"),
    ],
)
def test_what_is_no_mix_is_told_with_the_reason(text, says):
    with pytest.raises(ParametersRefused, match=says):
        parameters.parse_mix(text)


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (Parameters(mix={"/b": 1}), "has no part /b. It has: /, /groups/{name}"),
        (Parameters(rows=0), "from 1 to"),
        (Parameters(rows=99_999), "from 1 to"),
        (Parameters(data_set="worst"), "one of newest"),
    ],
)
def test_what_the_scenario_does_not_have_is_refused(plan, wanted, says):
    with pytest.raises(ParametersRefused, match=says):
        parameters.check(plan, wanted)


def test_a_script_without_a_mix_of_its_own_keeps_it():
    """Midst's sessions; its other scenarios have a mix that routes.js follows."""
    mixed, smoke = plans.find("mixed"), plans.find("smoke")
    assert parameters.parts(smoke)["health"] == 40
    parameters.check(smoke, Parameters(mix={"profile": 1}, rows=20))
    with pytest.raises(ParametersRefused, match="up to its script"):
        parameters.check(mixed, Parameters(mix={"x": 1}))
    with pytest.raises(ParametersRefused, match="only their number"):
        parameters.check(smoke, Parameters(data_set="random"))


@pytest.mark.django_db
def test_what_is_stored_is_what_is_sent(plan):
    for name in ("first", "second", "third"):
        Group.objects.create(name=name)
    tasks.scheduled_run("smoke", mix={"/groups/{name}": 5}, rows=2, data_set="oldest")
    row = LoadRun.objects.get().plan
    spec = parameters.of_run(plan, row).spec
    with routes.ready(plan.routes, spec.mix, routes.Rows(spec.rows, spec.data_set)) as file:
        found = json.loads(Path(file).read_text())
    oldest = [f"/groups/{quote(each.name)}" for each in Group.objects.order_by("pk")[:2]]
    assert [(each["name"], each["share"], each["paths"]) for each in found] == [
        ("/groups/{name}", 5, oldest)
    ]
    assert parameters.of_run(plan, plan.as_row()) is plan


@pytest.mark.django_db
def test_the_form_has_them_and_says_what_is_wrong(admin_client):
    form = {"scenario": "smoke", "target": "http://127.0.0.1:3001"}
    for typed, says in (
        ({"mix": "much"}, "is no part and its share"),
        ({"mix": "/nothing 1"}, "smoke has no part /nothing. It has: health"),
        ({"data_set": "random"}, "only their number"),
        ({"rows": "0"}, "greater than or equal to 1"),
    ):
        page = admin_client.post("/admin/perfops/loadrun/start/", {**form, **typed})
        assert says in page.content.decode(), typed
    assert "Mix: health 40, profiles 30" in page.content.decode()
    wanted = {**form, "mix": "health 1\nprofile 3", "rows": "40"}
    admin_client.post("/admin/perfops/loadrun/start/", wanted)
    run = LoadRun.objects.get()
    assert run.plan["parameters"] == {
        "mix": {"health": 1, "profile": 3}, "rows": 40, "data_set": "",
    }  # fmt: skip
    page = admin_client.get(f"/admin/perfops/loadrun/{run.pk}/change/").content.decode()
    assert "Not as its file says" in page


@pytest.mark.django_db
def test_the_service_refuses_them_as_all_else():
    with pytest.raises(runs.RunRefused, match="has no part"):
        runs.request_run(scenario="smoke", changed=Parameters(mix={"x": 1}))
