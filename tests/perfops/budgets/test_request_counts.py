"""check_budget --deterministic: what a request costs, counted, against a committed file."""

import json
import sys
import time
from pathlib import Path

import pytest
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.http import HttpResponse, JsonResponse
from django.urls import path

from perfops.budgets.deterministic import comparing, counting, counts
from perfops.origins import wrapper
from tests.valkey import forget_cached

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
cleared = []


def names(users):
    found = {}
    for user in users:
        found[user.pk] = user.username
        if "serialiser" in changed:
            # A quarter more work of Python, and the same answer.
            found[user.pk] = "".join(letter for letter in user.username * 40)[: len(user.username)]
    return list(found.values())


def cached(request):
    key = f"count:{time.time_ns()}" if "key" in changed else "count"
    found = cache.get(key)
    if found is None:
        cache.set(key, found := User.objects.count())
    return JsonResponse({"count": found})


def readers(request):
    users = list(User.objects.order_by("pk"))
    if "readers" in changed:
        return JsonResponse({"groups": [len(user.groups.all()) for user in users]})
    return JsonResponse({"names": names(users)})


def reader(request, pk):
    user = User.objects.get(pk=pk)
    return HttpResponse("x" * (2000 if "long" in changed else 1000) + user.username)


@login_required
def mine(request):
    return JsonResponse({"n": Group.objects.count()})


def breaks(request):
    if "broken" in changed:
        raise RuntimeError("on purpose")
    return HttpResponse("fine")


urlpatterns = [
    path("readers/", readers),
    path("readers/<int:pk>/", reader),
    path("mine/", mine),
    path("cached/", cached),
    path("breaks/", breaks),
    path("of/<slug:nobody_knows>/", breaks),
]
changed = set()
ROUTES = {
    "/readers/": 1,
    "/readers/{pk}/": {"model": "auth.User"},
    "/breaks/": 1,
}


@pytest.fixture(autouse=True)
def shop(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "changed", set())
    cleared.clear()
    settings.PERFOPS = {
        **settings.PERFOPS, "BEFORE_COUNTED_REQUEST": f"{__name__}:clear",
    }  # fmt: skip
    for name in ("ada", "ben", "cy"):
        User.objects.create(username=name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "routes.json").write_text(json.dumps(ROUTES))


def clear():
    cleared.append(1)
    forget_cached()


def check(capsys, *arguments):
    """Return the exit code and the report."""
    with pytest.raises(SystemExit) as ended:
        call_command(
            "check_budget", "--deterministic", "--format", "json", "--routes", "routes.json",
            *arguments,
        )  # fmt: skip
    return ended.value.code, json.loads(capsys.readouterr().out)


def outcomes(report):
    return {each["name"]: each["outcome"] for each in report["budgets"]}


def test_what_costs_as_much_as_before_passes(capsys):
    assert check(capsys, "--update")[0] == 0
    code, report = check(capsys)
    assert (code, report["verdict"]) == (0, "pass")
    assert any("not timed: C code" in each for each in report["reasons"])
    assert outcomes(report)["statements of /readers/{pk}/"] == "met"
    values = {each["name"]: each["value"] for each in report["budgets"]}
    assert values["statements of /readers/"] == 1
    assert values["rows of /readers/"] == 3
    # A warm-up is not counted; each counted request began with what the project does before it:
    # 5 paths, twice each; then each of 3 routes twice for a second request, and thrice for its
    # instructions; in two rounds.
    assert len(cleared) == 2 * (5 * 2 + 3 * (2 + 3))


def test_an_added_n_plus_one_fails_and_names_its_statement_and_line(capsys):
    check(capsys, "--update")
    changed.add("readers")
    code, report = check(capsys)
    assert code == 1
    (found,) = (e for e in report["budgets"] if e["name"] == "statements of /readers/")
    assert (found["target"], found["value"], found["outcome"]) == (1, 4, "violated")
    assert "3 calls more of SELECT" in found["reason"]
    assert "auth_user_groups" in found["reason"]
    assert "test_request_counts.py" in found["reason"]
    assert "readers" in found["reason"]
    # What did not change holds still.
    assert outcomes(report)["statements of /readers/{pk}/"] == "met"


def test_a_cache_key_that_never_hits_fails_and_names_what_is_asked_again(capsys, tmp_path):
    (tmp_path / "routes.json").write_text('{"/cached/": 1}')
    check(capsys, "--update")
    assert check(capsys)[0] == 0
    changed.add("key")
    code, report = check(capsys)
    assert code == 1
    broken = [each for each in report["budgets"] if each["outcome"] == "violated"]
    assert broken[0]["name"] == "statements of a second request of /cached/"
    assert (broken[0]["target"], broken[0]["value"]) == (0, 1)
    assert broken[0]["reason"].startswith("not found in the cache: a second request sends 1 stat")
    cause = report["causes"][0]
    assert cause["what"].startswith("not found in the cache")
    assert "COUNT(*)" in cause["statement"]
    assert cause["site"].startswith("tests/perfops/budgets/test_request_counts.py:")


def test_a_slower_serialiser_fails_by_its_instructions_and_is_named(capsys, tmp_path):
    (tmp_path / "routes.json").write_text('{"/readers/": 1}')
    check(capsys, "--update")
    changed.add("serialiser")
    code, report = check(capsys)
    assert code == 1
    (broken,) = (each for each in report["budgets"] if each["outcome"] == "violated")
    assert broken["name"] == "Python instructions of /readers/"
    assert "test_request_counts.py names" in broken["reason"]
    assert any("C code" in each for each in report["reasons"]) is False
    (cause,) = report["causes"]
    assert "tests/perfops/budgets/test_request_counts.py names" in cause["what"]
    assert (cause["statement"], cause["ms"]) == ("", None)


def test_instructions_of_another_python_are_not_compared(capsys, tmp_path):
    check(capsys, "--update", "--baseline", "counts.json")
    file = tmp_path / "counts.json"
    found = json.loads(file.read_text())
    file.write_text(json.dumps(found | {"python": "2.7"}))
    changed.add("serialiser")
    code, report = check(capsys, "--baseline", "counts.json")
    assert code == 0
    assert "counts.json has those of Python 2.7" in json.dumps(report)


def test_a_larger_body_fails_and_a_tenth_more_does_not(capsys):
    check(capsys, "--update")
    changed.add("long")
    code, report = check(capsys)
    assert code == 1
    assert outcomes(report)["bytes of /readers/{pk}/"] == "violated"
    before = counts.Counts(("/",), 200, 1, 1, 1000, 100, (), {})
    after = counts.Counts(("/",), 200, 1, 1, 1100, 115, (), {})
    assert {v.outcome for v in comparing.compare({"/": before}, {"/": after})} == {"met"}


def test_over_other_rows_nothing_can_be_told(capsys):
    check(capsys, "--update")
    User.objects.create(username="dee")
    code, report = check(capsys)
    assert (code, report["verdict"]) == (2, "inconclusive")
    assert "auth_user 3 -> 4" in json.dumps(report)


def test_what_answered_and_answers_no_more_is_never_a_pass(capsys):
    check(capsys, "--update")
    changed.add("broken")
    code, report = check(capsys)
    assert code == 2
    assert "answered 200, and answers 500 now" in json.dumps(report)


@pytest.mark.slow
def test_a_route_that_only_users_may_see_is_named_until_a_user_asks(capsys, tmp_path):
    (tmp_path / "routes.json").write_text('{"/mine/": 1, "/readers/": 1}')
    code, report = check(capsys, "--update")
    assert code == 0
    assert "/mine/ is left out: it answers 302." in report["reasons"]
    code, report = check(capsys, "--update", "--user", "ada")
    assert not any("left out" in reason for reason in report["reasons"])
    assert check(capsys, "--user", "ada")[0] == 0
    code, report = check(capsys, "--user", "nobody")
    assert (code, report["reasons"]) == (
        2,
        ["There is no user 'nobody'; the newest are: cy, ben, ada."],
    )


def test_all_urls_are_asked_for_where_no_file_names_them(capsys):
    with pytest.raises(SystemExit) as ended:
        call_command("check_budget", "--update", "--format", "markdown")
    assert ended.value.code == 0
    found = counts.read(Path("perfops-counts.json").read_bytes())
    assert set(found.routes) == {"/readers/", "/breaks/", "/cached/"}
    assert "/of/\\{nobody" in capsys.readouterr().out


@pytest.mark.slow
def test_a_route_in_the_file_is_asked_for_by_its_paths_of_then_without_traffic(capsys):
    """All URLs: of ``/readers/{pk}/`` nobody knows the key without traffic, as in CI."""
    check(capsys, "--update")
    changed.add("long")
    with pytest.raises(SystemExit) as ended:
        call_command("check_budget", "--deterministic", "--format", "json")
    assert ended.value.code == 1
    found = outcomes(json.loads(capsys.readouterr().out))
    assert found["bytes of /readers/{pk}/"] == "violated"


def test_what_is_counted_here_is_no_traffic():
    seen = []

    def count(execute, *statement):
        seen.append(statement[0])
        return execute(*statement)

    before = connection.execute_wrappers
    connection.execute_wrappers = [wrapper.counting("default"), count]
    try:
        with wrapper.uncounted(connection):
            assert connection.execute_wrappers == [count]
            User.objects.count()
        assert connection.execute_wrappers == [wrapper.counting("default"), count]
    finally:
        connection.execute_wrappers = before
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "There is no perfops-counts.json: write it with --update"),
        (b"{", "it is no file of counts"),
        (b'{"routes": {}, "version": 2}', "it is no file of counts"),
        (b'{"routes": {}}', ""),
    ],
)
def test_a_file_that_can_not_be_used_says_what_to_do(capsys, tmp_path, content, says):
    if content is not None:
        (tmp_path / "perfops-counts.json").write_bytes(content)
    code, report = check(capsys)
    assert code == 2
    assert says in json.dumps(report)


def test_lists_of_another_length_are_the_same_statement():
    recorder = counting._Recorder()

    class Cursor:
        rowcount = 1

    for values in ("%s, %s", "%s, %s, %s", "%s,%s"):
        recorder(
            lambda *_: None, f'SELECT 1 FROM "t" WHERE "id" IN ({values})', (), False,
            {"cursor": type("Wrapper", (), {"cursor": Cursor}), "connection": connection},
        )  # fmt: skip
    assert recorder.calls == {'SELECT 1 FROM "t" WHERE "id" IN (%s, ...)': 3}


def test_the_projects_own_counts_are_of_the_routes_that_it_says(settings):
    folder = settings.BASE_DIR / "infra" / "k6"
    known = counts.read((folder / "counts.json").read_bytes()).routes
    assert known.keys() == json.loads((folder / "counted.json").read_text()).keys()
    assert all(each.status == 200 and each.statements for each in known.values())
    assert all(each.blocks for each in known.values())
