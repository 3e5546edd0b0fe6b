"""On whose behalf: requests in every way Django can answer them, tasks, commands."""

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.db import connection
from django.test import AsyncClient, Client, override_settings

from perfops.origins import celery as workers
from perfops.origins import install as installing
from perfops.origins import ledger, middleware, scope, wrapper
from perfops.origins.scope import invoked
from tests.perfops.origins.test_counting import raw

SHOP = override_settings(
    MIDDLEWARE=[middleware.PATH], ROOT_URLCONF="tests.perfops.origins.shop.urls"
)


def names(rows):
    return {
        (sent.kind, sent.name): (count.calls, count.executions, count.most)
        for sent, count in rows.items()
    }


@SHOP
def test_a_request_is_counted_under_its_route_and_as_one_unit(counted):
    for number in range(2):
        Client().get(f"/shelves/{number}/")
    rows = {s.site.function: (s.name, c.calls, c.executions, c.most) for s, c in counted().items()}
    assert rows == {
        "first": ("GET /shelves/{number}/", 2, 2, 1),
        "second": ("GET /shelves/{number}/", 4, 2, 2),
    }


@SHOP
def test_a_request_has_the_sum_of_all_its_statements(counted):
    for _ in range(2):
        Client().get("/counters/x")
    Client().get("/shelves/1/")
    sums = {
        key.name: (total.executions, total.calls, total.most)
        for key, total in ledger.take_scopes().items()
    }
    assert sums == {"GET /counters/{name}": (2, 8, 4), "GET /shelves/{number}/": (1, 3, 3)}


@SHOP
def test_a_stream_is_counted_to_its_end(counted):
    answer = Client().get("/stream/")
    assert counted() == {}
    assert b"".join(answer.streaming_content) == b"abc"
    assert names(counted()) == {("request", "GET /stream/"): (3, 1, 3)}


@SHOP
def test_an_asynchronous_view_has_the_line_that_awaits(counted):
    async_to_sync(AsyncClient().get)("/awaiting/")
    ((sent, count),) = counted().items()
    assert (sent.name, count.calls) == ("GET /awaiting/", 1)
    assert sent.site.function == "awaiting"


@SHOP
def test_no_name_comes_from_a_client(counted):
    raw_scope = middleware.name
    request = Client().generic("BREW", "/nowhere/at/all").wsgi_request
    assert raw_scope(request) == "other unmatched"


@pytest.mark.parametrize(
    ("route", "template"),
    [
        ("api/<uuid:id>/parts/<slug>", "/api/{id}/parts/{slug}"),
        (r"^counters/(?P<name>\w+)$", "/counters/{name}"),
        ("", "/"),
    ],
)
def test_a_route_is_named_by_its_template(route, template):
    assert middleware.template(route) == template


def test_a_task_within_a_request_counts_for_itself(counted):
    class Task:
        name = "shop.tidy"

    outer = scope.Scope("request", lambda: "GET /")
    token = scope.begin(outer)
    raw("SELECT 1")
    workers._begin(task_id="1", task=Task)
    raw("SELECT 1")
    workers._end(task_id="1")
    workers._end(task_id="never begun")
    raw("SELECT 1")
    scope.end(outer, token)
    assert names(counted()) == {
        ("request", "GET /"): (2, 1, 2),
        ("task", "shop.tidy"): (1, 1, 1),
    }


def test_what_outlives_its_scope_counts_for_the_process(counted):
    ours = scope.Scope("request", lambda: "GET /")
    token = scope.begin(ours)
    raw("SELECT 1")
    scope.finish(ours)
    raw("SELECT 1")
    scope.current.reset(token)
    assert sum(count.calls for count in counted().values()) == 2
    assert ("request", "GET /") in names(counted())


def test_a_long_task_is_told_before_its_end_and_is_one_unit(counted):
    ours = scope.Scope("task", lambda: "long")
    token = scope.begin(ours)
    for _ in range(3):
        raw("SELECT 1")
        assert names(counted())["task", "long"][1] == 0
    scope.end(ours, token)
    assert names(counted()) == {("task", "long"): (3, 1, 3)}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["/srv/manage.py", "migrate", "--plan"], ("command", "migrate")),
        (["/usr/bin/django-admin", "shell"], ("command", "shell")),
        (["/lib/django/__main__.py", "check"], ("command", "check")),
        (["/lib/pytest/__main__.py", "tests"], ("process", "__main__.py")),
        (["/usr/bin/gunicorn", "shop.wsgi"], ("process", "gunicorn")),
        (["manage.py"], ("process", "manage.py")),
        ([], ("process", "python")),
    ],
)
def test_a_process_is_named_by_its_command_line(arguments, expected):
    assert invoked(arguments) == expected


@pytest.mark.parametrize(
    ("alias", "in_tests"), [("default", False), ("__no_db__", True)], ids=["tests", "no database"]
)
def test_statements_of_tests_and_of_no_database_are_not_counted(settings, alias, in_tests):
    settings.PERFOPS = {**django_settings.PERFOPS, "ORIGINS_IN_TESTS": in_tests}
    fresh = connection.copy(alias=alias)
    wrapper._on_connection(fresh)
    assert fresh.execute_wrappers == []


def test_installing_counts_new_connections_once_and_can_be_turned_off(settings, monkeypatch):
    monkeypatch.setattr(installing.flushing, "install", lambda: None)
    settings.PERFOPS = {**django_settings.PERFOPS, "ORIGINS": False}
    before = list(settings.MIDDLEWARE)
    installing.install()
    settings.PERFOPS = {**django_settings.PERFOPS, "ORIGINS": True, "ORIGINS_IN_TESTS": True}
    try:
        installing.install()
        installing.install()
        assert before == settings.MIDDLEWARE
        fresh = connection.copy()
        for _ in range(2):
            wrapper._on_connection(fresh)
        assert fresh.execute_wrappers.count(wrapper.counting("default")) == 1
    finally:
        wrapper.uninstall()
        workers.uninstall()
