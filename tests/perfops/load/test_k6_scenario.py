"""``k6_scenario`` writes a scenario that is found, without hiding those that were there."""

import json
from types import SimpleNamespace

import msgspec
import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.models import Group, Permission
from django.contrib.auth.views import LoginView
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.http import HttpResponse, HttpResponseRedirect
from django.test import override_settings
from django.urls import path
from django.views.generic import CreateView

from perfops.analysis.collectors import origins
from perfops.load import accounts, routes
from perfops.load import scenarios as plans
from perfops.load.routes import Route
from perfops.load.scenarios import SignIn
from perfops.models import LoadRun


@pytest.fixture
def folder(tmp_path, settings):
    settings.PERFOPS = {**settings.PERFOPS, "SCENARIO_DIR": tmp_path}
    return tmp_path


@pytest.mark.django_db
def test_it_writes_a_scenario_that_is_found_beside_the_others(folder, capsys, monkeypatch):
    call_command("k6_scenario", "first", "--rate", "30", "--seconds", "10")
    plan = plans.find("first")
    assert (plan.peak_rate, plan.duration_s) == (30, 10)
    assert "smoke" in plans.scenarios(folder)
    written = routes.read(plan.routes)
    assert "/health" in written
    assert not any("/auth/" in name or "metrics" in name for name in written)
    assert "all routes alike" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        call_command("k6_scenario", "first")
    assert ended.value.code == 2
    assert "--replace" in capsys.readouterr().err
    counted = [SimpleNamespace(name="GET /health", executions=9)]
    monkeypatch.setattr(origins, "scopes", lambda **_: counted)
    call_command("k6_scenario", "first", "--replace")
    assert list(routes.read(plans.find("first").routes)) == ["/health"]
    assert "shares of 9 requests" in capsys.readouterr().out


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "content", "says"),
    [
        (["../x"], None, "is no name"),
        (["x", "--rate", "0"], None, "at least 1"),
        (["x"], "{", "is no JSON"),
        (["x"], "[]", "no list of scenarios"),
    ],
)
def test_what_it_cannot_write_it_says_and_leaves_alone(folder, capsys, arguments, content, says):
    if content is not None:
        (folder / "scenarios.json").write_text(content)
    with pytest.raises(SystemExit) as ended:
        call_command("k6_scenario", *arguments)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
    assert [file.name for file in folder.iterdir()] == (["scenarios.json"] if content else [])


class NewGroup(CreateView):
    model = Group
    fields = ("name",)
    success_url = "/"


class NewPermission(LoginRequiredMixin, CreateView):
    model = Permission
    fields = ("name", "content_type", "codename")
    success_url = "/"
    raise_exception = True


class NewKind(CreateView):
    model = ContentType
    fields = ("app_label",)

    def form_valid(self, form):
        return HttpResponseRedirect("/")


urlpatterns = [
    path("", lambda request: HttpResponse("welcome")),
    path("groups/new/", NewGroup.as_view()),
    path("permissions/new/", NewPermission.as_view()),
    path("kinds/new/", NewKind.as_view()),
    path("gone/", lambda request: HttpResponse(status=410)),
    path("sign-in/", LoginView.as_view()),
]


@pytest.mark.django_db
@override_settings(ROOT_URLCONF=__name__)
def test_it_writes_what_can_be_made_by_who_signs_in_and_found_again(folder, capsys):
    """Each POST is tried, and rolled back."""
    call_command("k6_scenario", "first", "--writes")
    said = capsys.readouterr().out
    plan = plans.find("first")
    assert plan.spec.sign_in == SignIn("/sign-in/", is_form=True)
    found = routes.read(plan.routes)
    assert msgspec.structs.replace(found["POST /groups/new/"], share=1) == Route(
        paths=("/groups/new/",), method="POST", body={"name": "{mark}"}, form=True,
        made="auth.Group.name", statuses=(302,),
    )  # fmt: skip
    assert found["POST /permissions/new/"].made == "auth.Permission.name"
    assert "Left out: POST /kinds/new/: it makes no contenttypes.ContentType.app_label" in said
    assert "Left out: /gone/: a first try answered 410" in said
    assert not Group.objects.filter(name__startswith="perfops").exists()
    call_command("k6_scenario", "first", "--writes", "--anonymous", "--replace")
    said = capsys.readouterr().out
    assert plans.find("first").spec.sign_in is None
    assert "POST /permissions/new/: a first try answered 403" in said
    call_command("k6_scenario", "first", "--log-in", "/other/token", "--replace")
    assert plans.find("first").spec.sign_in == SignIn("/other/token")
    assert not any(name.startswith("POST") for name in routes.read(plans.find("first").routes))


@pytest.mark.django_db
@override_settings(ROOT_URLCONF=__name__)
@pytest.mark.parametrize("counted", [{}, {"GET /": 990, "GET /groups/new/": 10}])
def test_writes_are_a_tenth_of_the_requests_whatever_was_counted(
    folder, capsys, monkeypatch, counted
):
    scopes = [SimpleNamespace(name=name, executions=number) for name, number in counted.items()]
    monkeypatch.setattr(origins, "scopes", lambda **_: scopes)
    call_command("k6_scenario", "first", "--writes")
    found = routes.read(plans.find("first").routes)
    shares = {"GET": 0.0, "POST": 0.0}
    for route in found.values():
        shares[route.method] += route.share
    assert len(found) > 2
    assert shares["POST"] / sum(shares.values()) == pytest.approx(0.1, rel=0.02)
    assert "POST /groups/new/, 5% of the requests" in capsys.readouterr().out


@pytest.mark.django_db
def test_an_api_says_itself_what_it_takes(folder):
    """Midst's own: an ordinary user may make profiles, and no masks."""
    call_command("k6_scenario", "first", "--writes")
    plan = plans.find("first")
    assert plan.spec.sign_in == SignIn("/api/v1/auth/token", refresh="/api/v1/auth/refresh")
    found = routes.read(plan.routes)
    written = {name: each.made for name, each in found.items() if each.method == "POST"}
    assert written == {"POST /api/v1/profiles": "profiles.Profile.slug"}


@pytest.mark.django_db
def test_what_a_killed_run_left_goes_with_the_next_and_nothing_else_does(folder, settings):
    call_command("k6_scenario", "first", "--writes")
    plan = plans.find("first")
    made = LoadRun.objects.create(scenario="first", target="http://127.0.0.1:1", plan={})
    other = LoadRun.objects.create(scenario="other", target="http://127.0.0.1:2", plan={})
    users = get_user_model()._default_manager
    left, theirs, real = (
        users.create(username=name)
        for name in ("perfops-load-0-1", f"perfops-load-{other.pk}-1", "perfops-loader")
    )
    with accounts.around(made, plan, needs_people=True) as variables:
        people = json.loads(variables["PEOPLE"])
        assert users.filter(username__in=people["names"]).count() == len(people["names"]) == 10
        assert all(name.startswith(variables["MARK"]) for name in people["names"])
    assert set(users.filter(username__startswith="perfops")) == {theirs, real}
    assert left not in users.all()


@pytest.mark.django_db
@pytest.mark.parametrize("before", [None, "[]"])
def test_where_one_file_cannot_be_written_neither_is(folder, capsys, before):
    routes_file = folder / "first-routes.json"
    if before is not None:
        routes_file.write_text(before)
    # A folder in its place: no rename replaces it.
    (folder / "scenarios.json").mkdir()
    with pytest.raises(SystemExit) as ended:
        call_command("k6_scenario", "first")
    assert ended.value.code == 2
    assert capsys.readouterr().err
    assert (routes_file.read_text() if routes_file.exists() else None) == before
    assert not list(folder.glob(".k6_scenario-*"))
