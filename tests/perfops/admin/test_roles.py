"""Every page and action of perfops' admin: what each role gets; odd values are no server error."""

import re

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver, resolve, reverse
from django.utils import timezone

from perfops.models import Analysis, Budget, Evaluation, Finding, LoadRun, QueryTemplate
from perfops.models.decisions import Waiver
from tests.perfops.budgets.test_verdicts import run_with

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
VIEWER, OPERATOR, ADMINISTRATOR = RANKS = ("viewer", "operator", "administrator")
NOBODY = "a superuser alone"
# What a page needs at least: to look at it, and to send a form to it. POST_ONLY: nobody looks.
POST_ONLY = "POST only"
STAFF = "staff with or without a role"
SEEN = (VIEWER, VIEWER)
EVERY_MODEL = ("analysis", "budget", "finding", "loadrun", "querytemplate", "scopetotal", "waiver")
PAGES = {
    **{f"{each}_changelist": SEEN for each in EVERY_MODEL},
    **{f"{each}_change": SEEN for each in EVERY_MODEL if each != "scopetotal"},
    **{f"{each}_history": SEEN for each in EVERY_MODEL if each != "scopetotal"},
    **{f"{each}_add": (NOBODY, NOBODY) for each in EVERY_MODEL},
    **{f"{each}_delete": (NOBODY, NOBODY) for each in EVERY_MODEL if each != "scopetotal"},
    **{f"{each}_delete": (ADMINISTRATOR,) * 2
       for each in ("analysis", "budget", "finding", "loadrun")},
    "budget_change": (VIEWER, ADMINISTRATOR),
    "waiver_change": (VIEWER, ADMINISTRATOR),
    "budget_add": (ADMINISTRATOR, ADMINISTRATOR),
    "waiver_add": (ADMINISTRATOR, ADMINISTRATOR),
    "budget_runs": SEEN,
    "analysis_start": (POST_ONLY, OPERATOR),
    "analysis_now": SEEN,
    "analysis_now_live": SEEN,
    "analysis_session": (VIEWER, OPERATOR),
    "analysis_capacity": SEEN,
    "analysis_live": SEEN,
    "finding_migration": SEEN,
    **{f"finding_{each}": (POST_ONLY, OPERATOR)
       for each in ("acknowledge", "mute", "reopen", "assign", "comment")},
    "querytemplate_explain": (POST_ONLY, OPERATOR),
    "loadrun_start": (OPERATOR, OPERATOR),
    "loadrun_cancel": (POST_ONLY, OPERATOR),
    "loadrun_rate": (POST_ONLY, OPERATOR),
    "loadrun_live": SEEN,
    "loadrun_compare": SEEN,
    "pipeline": SEEN,
    # It finds what one may see: nothing without a role.
    "search": (STAFF, STAFF),
}  # fmt: skip
# Pages of a snapshot's rows and of rows that are no rows of a table: other tests look at them.
APART = {
    "analysis_tables", "analysis_indexes", "analysis_difference", "scopetotal_change",
    "scopetotal_history", "scopetotal_delete",
}  # fmt: skip
ODD = (
    "", "\0", "x" * 5000, "-1", "9" * 40, "0001-01-01", "'; DROP TABLE x; --", "\u202e%s{{1}}",
    "1e999", "NaN",
)  # fmt: skip


@pytest.fixture
def keys():
    """One row of each kind, by the model's name."""
    now = timezone.now()
    finding = Finding.objects.create(
        database="default", fingerprint="f", advisor="unused_indexes", object="public.x",
        severity="warning", title="x", why="w", remedy="r", first_seen_at=now, last_seen_at=now,
    )  # fmt: skip
    template = QueryTemplate.objects.create(
        id=7, database="default", queryids=["7"], first_seen_at=now, text="SELECT 1"
    )
    waiver = Waiver.objects.create(budget="p95 latency", reason="x", ends_at=now)
    return {
        "analysis": Analysis.objects.create(state="finished", finished_at=now).pk,
        "budget": Budget.objects.earliest("pk").pk,
        "finding": finding.pk,
        "loadrun": run_with().pk,
        "querytemplate": template.pk,
        "waiver": waiver.pk,
    }


def address(name, keys):
    model, _, page = name.partition("_")
    whole = page in {"changelist", "add", "start", "now", "now_live", "capacity", ""}
    return reverse(f"admin:perfops_{name}", args=[] if whole else [keys[model]])


def names(resolver=None, inside=False):
    for each in (resolver or get_resolver()).url_patterns:
        if hasattr(each, "url_patterns"):
            yield from names(each, inside or str(each.pattern).startswith("admin/"))
        elif inside and (each.name or "").startswith("perfops_"):
            yield each.name.removeprefix("perfops_")


def someone(role):
    user = User.objects.create_user("someone", password="x", is_staff=True)
    if role in RANKS:
        user.groups.add(Group.objects.get(name=f"performance {role}"))
    client = Client()
    client.force_login(user)
    return client


def may(role, least):
    return least == STAFF or (
        least in RANKS and role in RANKS and RANKS.index(role) >= RANKS.index(least)
    )


def test_every_page_has_its_row():
    assert set(names()) == {*PAGES, *APART}


@pytest.mark.parametrize("role", [*RANKS, "no role"])
def test_a_role_gets_what_it_is_for_and_no_more(keys, role):
    client, wrong = someone(role), {}
    for name, needed in PAGES.items():
        for method, least in zip(("get", "post"), needed, strict=True):
            # Rows that an earlier form deleted or ended would answer for something else.
            if name.endswith("_delete") and method == "post":
                continue
            answer = getattr(client, method)(address(name, keys))
            if least == POST_ONLY:
                right = answer.status_code == 405
            elif may(role, least):
                right = answer.status_code in {200, 302, 404} and "login" not in answer.get(
                    "Location", ""
                )
            else:
                right = answer.status_code == 403
            if not right:
                wrong[name, method] = answer.status_code
    assert wrong == {}


HREFS = re.compile(r'(?:href|action)="(/admin/perfops/[^"#?]*)')
FORMS = re.compile(r'<form[^>]*method="post"[^>]*action="(/admin/perfops/[^"#?]*)', re.IGNORECASE)


@pytest.mark.parametrize("role", RANKS)
def test_a_role_is_offered_no_link_and_no_form_that_it_may_not_use(keys, role):
    client, wrong = someone(role), set()
    for name, (least, _) in PAGES.items():
        if least in {POST_ONLY, NOBODY} or not may(role, least):
            continue
        page = client.get(address(name, keys)).content.decode()
        forms = set(FORMS.findall(page))
        for url in forms | set(HREFS.findall(page)):
            target = resolve(url).url_name.removeprefix("perfops_")
            if target in PAGES and not may(role, needed_for(target, is_form=url in forms)):
                wrong.add((name, target))
    assert wrong == set()


MOST_STATEMENTS = 20


def test_no_page_takes_more_than_twenty_statements_however_many_rows_there_are(keys):
    now, client = timezone.now(), someone(ADMINISTRATOR)
    run = {"scenario": "smoke", "target": "http://127.0.0.1:1", "state": "finished"}
    runs = LoadRun.objects.bulk_create(LoadRun(**run) for _ in range(40))
    judged = {"budget_id": keys["budget"], "outcome": "met", "value": 1}
    Evaluation.objects.bulk_create(
        Evaluation(run=each, target=1, threshold=1, **judged) for each in runs
    )
    Analysis.objects.bulk_create(Analysis(state="finished", finished_at=now) for _ in range(40))
    Finding.objects.bulk_create(
        Finding(
            database="default", fingerprint=str(n), advisor="growth", severity="info",
            object=str(n), title=f"number {n}", why="w", remedy="r", first_seen_at=now,
            last_seen_at=now, last_analysis_id=keys["analysis"],
        )
        for n in range(40)
    )  # fmt: skip
    Waiver.objects.bulk_create(
        Waiver(budget="p95 latency", reason="x", ends_at=now) for _ in range(40)
    )
    QueryTemplate.objects.bulk_create(
        QueryTemplate(id=n, database="default", text=f"SELECT {n}", first_seen_at=now)
        for n in range(100, 140)
    )
    urls = [address(name, keys) for name, (least, _) in PAGES.items() if may(ADMINISTRATOR, least)]
    found = {}
    for url in (*urls, reverse("admin:index"), reverse("admin:app_list", args=["perfops"])):
        client.get(url)  # What is asked once a process: content types.
        with CaptureQueriesContext(connection) as sent:
            client.get(url)
        found[url] = len(sent)
    assert {url: number for url, number in found.items() if number > MOST_STATEMENTS} == {}


def needed_for(name, is_form):
    look, send = PAGES[name]
    return send if is_form or look == POST_ONLY else look


def test_who_is_not_signed_in_is_led_to_the_sign_in(keys):
    for name in PAGES:
        for method in ("get", "post"):
            answer = getattr(Client(), method)(address(name, keys))
            assert answer.status_code == 302, name
            assert "/login/" in answer["Location"], name


FIELDS = {
    "loadrun_start": (
        "scenario",
        "target",
        "rate",
        "seconds",
        "mix",
        "data_set",
        "rows",
        "abort_after",
        "find_limit",
        "up_to",
        "minutes",
    ),
    "analysis_start": ("database", "since"),
    "finding_mute": ("until", "reason"),
    "finding_assign": ("assignee",),
    "finding_comment": ("comment",),
    "finding_changelist": ("action", "_selected_action", "until", "reason"),
    "waiver_changelist": ("action", "_selected_action"),
    "budget_add": ("metric", "route", "target", "threshold", "action", "why"),
    "budget_change": ("metric", "route", "target", "threshold", "action", "why"),
    "waiver_add": ("budget", "reason", "ends_at_0", "ends_at_1"),
    "waiver_change": ("budget", "reason", "ends_at_0", "ends_at_1"),
    "querytemplate_explain": ("analyse",),
}
GOOD = {
    "scenario": "smoke", "target": "300 ms", "until": "2999-01-01", "reason": "r",
    "metric": "latency_p95", "threshold": "500 ms", "action": "fail", "why": "w", "route": "",
    "budget": "p95 latency", "ends_at_0": "2999-01-01", "ends_at_1": "00:00",
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_odd_values_in_a_form_are_refused_and_are_no_server_error(admin_client, keys, name):
    url = address(name, keys)
    good = {field: GOOD.get(field, "x") for field in FIELDS[name]}
    if name == "finding_changelist":
        good = {**good, "action": "mute_selected", "_selected_action": keys["finding"]}
    if name == "waiver_changelist":
        good = {"action": "end_now", "_selected_action": keys["waiver"]}
    for field in FIELDS[name]:
        for odd in ODD:
            answer = admin_client.post(url, {**good, field: odd})
            assert answer.status_code < 500, (field, odd)
    assert admin_client.post(url, dict.fromkeys(good, "\x00")).status_code < 500
    assert LoadRun.objects.count() == 1


NO_KEYS = ("x", "\0", "1\0", "")


@pytest.mark.parametrize("name", [f"{each}_changelist" for each in EVERY_MODEL])
@pytest.mark.urls("tests.perfops.admin.plain_site")
def test_a_plain_projects_admin_refuses_keys_and_parameters_that_no_row_has(
    admin_client, keys, name
):
    """Midst's own site refuses them first: a project that adds perfops has Django's."""
    url = address(name, keys)
    for key in NO_KEYS:
        form = {"action": "delete_selected", "_selected_action": [key]}
        assert admin_client.post(url, form).status_code == 400, key
    for parameters in ({"p": "-1"}, {"q": "\0"}):
        assert admin_client.get(url, parameters).status_code in {200, 302}, parameters
