"""A project says in a short file what its load asks for; its own rows fill it in."""

import json
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import override_settings
from django.urls import path
from django.utils import timezone
from django.views.generic import DetailView, FormView, ListView

from perfops.budgets import verdicts
from perfops.load import execution, routes
from perfops.load import services as runs
from perfops.models import QueryOrigin, QueryTemplate, ScopeTotal


def listed(text, tmp_path):
    file = tmp_path / "routes.json"
    file.write_text(json.dumps(text) if isinstance(text, dict) else text)
    return {each.name: (each.share, each.paths) for each in routes.filled(routes.read(file))}


def test_a_number_is_a_share_and_paths_may_be_written_out(tmp_path):
    assert listed({"/": 2, "/search": {"paths": ["/search?q=a,b", "/search?q=c"]}}, tmp_path) == {
        "/": (2, ("/",)), "/search": (1, ("/search?q=a,b", "/search?q=c")),
    }  # fmt: skip


@pytest.mark.django_db
def test_rows_fill_in_fields_newest_first_and_without_what_is_left_out(tmp_path):
    Group.objects.all().delete()
    for name in ("a/b", "ü", "no"):
        Group.objects.create(name=name)
    described = {"model": "auth.Group", "where": {"name__lt": "n"}, "paths": ["/{name}?id={pk}"]}
    first = Group.objects.get(name="a/b")
    assert listed({"/{group}": described}, tmp_path) == {"/{group}": (1, (f"/a/b?id={first.pk}",))}
    every = {"model": "auth.Group"}
    (found,) = listed({"/g/{name}": every}, tmp_path).values()
    assert found[1] == ("/g/no", "/g/%C3%BC", "/g/a/b")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not a list of routes"),
        ("{}", "has no route"),
        ({"/": 0}, "not a list of routes"),
        ({"/": {"shares": 1}}, "unknown field"),
        ({"/a,b": 1}, "no name for a route"),
        ({"/a": {"statuses": [20]}}, "not a list of routes"),
        ({"/a/{id}": 1}, "a model whose rows do"),
        ({"/a/{id}": {"paths": []}}, "a model whose rows do"),
        ({"/a/{id}": {"model": "no.Such"}}, "can't be filled in from no.Such"),
        ({"/a/{id}": {"model": "nonsense"}}, "can't be filled in from nonsense"),
        ({"/a/{nothing}": {"model": "auth.Group"}}, "can't be filled in from auth.Group"),
        ({"/a/{id}": {"model": "auth.Group", "where": {"x": 1}}}, "can't be filled in"),
        ({"/a/{id}": {"model": "auth.Group"}}, "has no rows"),
        ({"a": 1}, "must begin with a slash"),
    ],
)
def test_what_cannot_be_used_is_told_with_the_reason(text, says, tmp_path):
    Group.objects.all().delete()
    with pytest.raises(routes.UnusableRoutes, match=says):
        listed(text, tmp_path)


def load(settings, folder, target, *, seconds, **more):
    stages = [{"seconds": seconds, "rate": 200}]
    plan = {"title": "short", "start_rate": 200, "stages": stages, "max_vus": 400, "room_s": 2}
    plan.update(more)
    (folder / "scenarios.json").write_text(json.dumps({"smoke": plan}))
    settings.PERFOPS = {**settings.PERFOPS, "SCENARIO_DIR": folder, "HEARTBEAT_S": 0.5}
    run = runs.request_run(scenario="smoke", target=target, enqueue=False)
    execution.execute(run.pk, verdicts.decide)
    run.refresh_from_db()
    return run, {each.route: each.requests for each in run.routes.exclude(route="")}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.usefixtures("quick_enough")
def test_requests_keep_to_the_shares_and_a_redirect_is_one_of_them(settings, tmp_path, site):
    asked = {"/": 6, "/b": {"share": 3, "paths": ["/b/1", "/b/2"]}, "/moved": {"statuses": [302]}}
    (tmp_path / "routes.json").write_text(json.dumps(asked))
    run, counts = load(settings, tmp_path, site.url, seconds=6)
    # What a busy machine could not send is no question of shares.
    assert run.state == "finished", (run.reasons, run.log)
    whole = sum(counts.values())
    assert whole == run.summary["requests"] <= run.plan["requests"]
    shares = {"/": 0.6, "/b": 0.3, "/moved": 0.1}
    assert {name: count / whole for name, count in counts.items()} == pytest.approx(
        shares, abs=0.01
    )
    assert site.paths >= {"/", "/b/1", "/b/2", "/moved"}
    assert "/from-moved" not in site.paths


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_script_may_sign_in_and_send_headers(settings, tmp_path, site):
    (tmp_path / "routes.js").write_text(
        "import http from 'k6/http';\n"
        "export function findIds(target) {\n"
        "  http.get(`${target}/moved`);\n"
        "  return { token: http.get(`${target}/token`, { responseType: 'text' }).json('count') };\n"
        "}\n"
        "export function requestOf(n, ids) {\n"
        "  return ['/a', '/a', { Authorization: `Bearer ${ids.token}` }];\n"
        "}\n"
    )
    run, counts = load(settings, tmp_path, site.url, seconds=1)
    assert set(counts) == {"/a"}, run.reasons
    assert site.tokens == {"Bearer 1"}
    assert "/moved" in site.paths
    assert "/from-moved" not in site.paths


MADE = []


@contextmanager
def made_around(scenario, run_id):
    MADE.append((scenario, run_id))
    yield {"WORD": "secret"}
    MADE.clear()
    raise RuntimeError("it could not be removed")


SESSIONS = """
export function session(n, data, ask) {
  const headers = { Authorization: __ENV.WORD };
  const { json } = ask({ name: '/a', path: '/a', headers, expects: (found) => found.count === 1 });
  ask({ name: '/b', path: `/b/${json.results[0].slug}`, expects: (found) => found.count === 2 });
  ask({ name: '/c', path: '/c' });
}
"""


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_session_is_several_requests_whose_bodies_are_checked(settings, tmp_path, site, caplog):
    """What it works on is made before; that it can't be removed does not lose the run."""
    (tmp_path / "sessions.js").write_text(SESSIONS)
    settings.PERFOPS = {
        **settings.PERFOPS, "AROUND_RUN": f"{__name__}:made_around", "OWN_TARGETS": [site.url],
    }  # fmt: skip
    more = {"routes": "sessions.js", "session_requests": 3}
    run, counts = load(settings, tmp_path, site.url, seconds=1, **more)
    assert run.plan["requests"] == 600
    assert counts["/a"] == counts["/b"] == counts["/c"], (run.reasons, run.log)
    errors = {each.route: each.errors for each in run.routes.all()}
    assert errors == {"": counts["/b"], "/a": 0, "/b": counts["/b"], "/c": 0}
    assert "/b/one" in site.paths
    assert site.tokens == {"secret"}
    assert not MADE
    assert "could not remove what run" in caplog.text


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_routes_that_cannot_be_filled_in_are_no_verdict(settings, tmp_path, site):
    (tmp_path / "routes.json").write_text('{"/groups/{id}": {"model": "auth.Group"}}')
    Group.objects.all().delete()
    run, _ = load(settings, tmp_path, site.url, seconds=1)
    assert (run.state, run.verdict) == ("failed", "")
    assert "auth.Group has no rows" in run.reasons[0]


class Groups(ListView):
    model = Group


urlpatterns = [
    path("groups/", Groups.as_view()),
    path("groups/<int:pk>/", DetailView.as_view(queryset=Group.objects.all())),
    path("groups/<slug:place>/", DetailView.as_view(model=Group)),
    path("days/<int:day>/", lambda request, day: None),
    path("metrics", lambda request: None),
    path("perfops/target", lambda request: None),
    path("api/token/refresh/", Groups.as_view()),
    path("auth/login/", Groups.as_view()),
    path("groups/<int:pk>/delete/", DetailView.as_view(model=Group)),
    path("kinds/<int:number>/", lambda request, number: None),
    path("send/", FormView.as_view(http_method_names=["post"])),
]


@pytest.mark.django_db
@override_settings(ROOT_URLCONF=__name__)
def test_the_urls_of_a_project_are_routes_that_run_as_they_are(tmp_path):
    found = routes.discovered()
    assert found.routes == {"/groups/": 1, "/groups/{pk}/": {"share": 1, "model": "auth.Group"}}
    assert found.unfilled == {
        "/groups/{place}/": ["place"], "/days/{day}/": ["day"], "/kinds/{number}/": ["number"],
    }  # fmt: skip
    Group.objects.create(name="one")
    assert listed(found.routes, tmp_path)


@pytest.mark.django_db
@override_settings(ROOT_URLCONF=__name__)
def test_observed_routes_have_the_shares_and_ids_of_the_traffic(capsys, tmp_path):
    for name, executions in (("GET /groups/", 3), ("GET /kinds/{number}/", 1), ("POST /send/", 9)):
        ScopeTotal.objects.create(
            database="default", kind="request", name=name, span="minute", at=timezone.now(),
            executions=executions, calls=9, total_ms=1.0, max_calls_per_execution=3,
            repeated_calls=0,
        )  # fmt: skip
    read = QueryTemplate.objects.create(
        id=1, database="default", first_seen_at=timezone.now(),
        text='SELECT "x" FROM "django_content_type" WHERE "django_content_type"."id" = %s LIMIT 21',
    )  # fmt: skip
    QueryOrigin.objects.create(
        template=read, kind="request", name="GET /kinds/{number}/", at=timezone.now(), calls=1,
        total_ms=1.0, rows=1, executions=1, max_calls_per_execution=1,
    )  # fmt: skip
    # Not the path's word: it is django.contrib's, and no better is there.
    call_command("list_routes", "--observed")
    told = capsys.readouterr()
    assert json.loads(told.out) == {"/groups/": 75.0}
    assert "Left out: /kinds/{number}/" in told.err
    read.text = read.text.replace("django_content_type", "perfops_budget")
    read.save()
    call_command("list_routes", "--observed")
    found = json.loads(capsys.readouterr().out)
    assert found["/kinds/{number}/"] == {
        "share": 25.0, "model": "perfops.Budget", "paths": ["/kinds/{pk}/"],
    }  # fmt: skip
    assert listed(found, tmp_path)


@pytest.mark.django_db
def test_the_command_prints_them_without_the_admin(capsys):
    call_command("list_routes", "--format", "text")
    assert "      1  /health" in capsys.readouterr().out.splitlines()
    call_command("list_routes")
    found = json.loads(capsys.readouterr().out)
    assert found["/health"] == 1
    for word in ("/admin", "/metrics", "token", "/auth"):
        assert [name for name in found if word in name] == []
