"""The search of perfops' pages: what it finds, for whom, in how many queries, whatever is typed."""

from datetime import timedelta

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from perfops.analysis import findings
from perfops.models import Analysis, Budget, Finding, LoadRun, QueryTemplate, ScopeTotal
from profiles.models import Profile
from tests.perfops.admin.test_pages import ADVICE
from tests.perfops.budgets.test_verdicts import run_with

pytestmark = pytest.mark.django_db
ODD = (
    "",
    "   ",
    "%",
    "_",
    "'",
    '"',
    '"open',
    "\\",
    "\0",
    "a\0b",
    "x" * 1000,
    "1" * 1000,
    "ünï",
    "<b>",
)
# Session, user, permissions, and one for each kind.
MOST_QUERIES = 12


@pytest.fixture
def everything():
    run = run_with()
    findings.record(Analysis.objects.create(state="finished"), [ADVICE])
    Budget.objects.create(
        metric="p95_latency", route="GET /shelves", target=300, threshold=500, action="warn"
    )
    QueryTemplate.objects.create(
        id=1, database="default", text="SELECT 1 FROM shelves", first_seen_at=timezone.now()
    )
    for hour in (0, 1):
        ScopeTotal.objects.create(
            database="default", kind="request", name="GET /shelves", span="hour",
            at=timezone.now() - timedelta(hours=hour), executions=1, calls=2,
            total_ms=1, max_calls_per_execution=2, repeated_calls=0,
        )  # fmt: skip
    return run


def ask(client, term, status=200):
    answer = client.get(reverse("admin:perfops_search"), {"q": term})
    assert answer.status_code == status
    return answer.content.decode()


def test_one_word_finds_all_that_has_it_and_leads_there(admin_client, everything):
    with CaptureQueriesContext(connection) as queries:
        page = ask(admin_client, "shelves")
    assert len(queries) <= MOST_QUERIES
    for name, url in (
        ("Queries", reverse("admin:perfops_querytemplate_change", args=[1])),
        ("Budgets", reverse("admin:perfops_budget_change", args=[Budget.objects.latest("pk").pk])),
        ("Routes, tasks and commands", "q=GET+%2Fshelves&amp;window=week"),
    ):
        assert f"<h2>{name}</h2>" in page
        assert page.count(url) == 1, url
    run_url = reverse("admin:perfops_loadrun_change", args=[everything.pk])
    for term in (str(everything.pk), f"Run {everything.pk}", everything.scenario):
        assert run_url in ask(admin_client, term), term
    finding = Finding.objects.get()
    url = reverse("admin:perfops_finding_change", args=[finding.pk])
    assert url in ask(admin_client, finding.title.upper())
    nothing = ask(admin_client, "no such thing")
    assert "Nothing has “no such thing” in it." in nothing
    # Its address is under that of the runs, and it is no list of them.
    navigation = nothing.partition('class="po-nav"')[2].partition("</nav>")[0]
    assert "Runs" in navigation
    assert "aria-current" not in navigation


def test_more_than_fit_are_led_to(admin_client):
    LoadRun.objects.bulk_create(
        LoadRun(scenario="smoke", target="http://127.0.0.1:1", state="finished") for _ in range(20)
    )
    page = ask(admin_client, "smoke")
    assert page.count("/change/") == 8
    assert f'href="{reverse("admin:perfops_loadrun_changelist")}?q=smoke"' in page


def test_a_project_adds_models_of_its_own(admin_client, admin_user, settings):
    profile = Profile.objects.create(slug="ada", display_name="Ada", owner=admin_user)
    url = reverse("admin:profiles_profile_change", args=[profile.pk])
    assert url in ask(admin_client, "ada")
    settings.PERFOPS = {**settings.PERFOPS, "SEARCHED_MODELS": ["shop.order", "profiles.plan"]}
    assert url not in ask(admin_client, "ada")


@pytest.mark.parametrize("broken", ["get_search_results", "the database"])
def test_a_model_whose_search_raises_costs_only_itself_and_is_named(
    admin_client, everything, settings, monkeypatch, broken
):
    def raising(its, request, rows, term):
        if broken == "the database":
            rows = rows.extra(where=["1 / (octet_length(slug) * 0) = 1"])
            return rows, False
        raise ZeroDivisionError

    Profile.objects.create(slug="ada", display_name="Ada", owner=User.objects.get())
    monkeypatch.setattr(type(site.get_model_admin(Profile)), "get_search_results", raising)
    page = ask(admin_client, "shelves")
    assert "Could not be searched: Profiles." in page
    assert "profiles.Profile raised" in page
    assert "<h2>Budgets</h2>" in page
    # What comes after it too.
    assert "<h2>Routes, tasks and commands</h2>" in page


def test_nobody_finds_what_they_may_not_see(client, everything):
    user = User.objects.create_user("eve", password="x", is_staff=True)
    client.force_login(user)
    for term in ("shelves", everything.scenario, ADVICE.title):
        assert "/change/" not in ask(client, term)
    user.user_permissions.add(Permission.objects.get(codename="view_budget"))
    page = ask(client, "shelves")
    assert "<h2>Budgets</h2>" in page
    assert "<h2>Queries</h2>" not in page


def test_nobody_without_the_admin_searches(client):
    ask(client, "x", status=302)


@pytest.mark.parametrize("term", ODD)
def test_whatever_is_typed_is_answered(admin_client, everything, term):
    # Midst refuses a NUL in any address of the admin.
    answers = {400} if "\0" in term else {200}
    answer = admin_client.get(reverse("admin:perfops_search"), {"q": term})
    assert answer.status_code in answers
    for name in ("loadrun", "finding", "querytemplate", "budget", "scopetotal", "waiver"):
        answer = admin_client.get(reverse(f"admin:perfops_{name}_changelist"), {"q": term})
        assert answer.status_code in answers, name
