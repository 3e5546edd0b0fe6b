"""The pages of queries: what costs most, who sends it, its plan; few queries, rights of its own."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from perfops.analysis import findings, triage
from perfops.analysis.advisors import n_plus_one, plan_changes, slow_queries
from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.origins import Origin, PlanChange
from perfops.analysis.collectors.records import Statement
from perfops.analysis.plans.explain import NoPlan
from perfops.conf import Conf
from perfops.models import Analysis, Finding, QueryOrigin, QueryPlan, QueryTemplate, ScopeTotal
from tests.perfops.analysis.test_plans import GATHER

pytestmark = pytest.mark.django_db
MOST_QUERIES = 20


def url(name, *arguments):
    return reverse(f"admin:perfops_querytemplate_{name}", args=arguments)


def template(number=1, text="SELECT 1 AS one", **fields):
    return QueryTemplate.objects.create(
        id=-number, database="default", text=text, queryids=[str(number)],
        first_seen_at=timezone.now(), **fields,
    )  # fmt: skip


def sent(template, *, hours=0, ms=10.0, calls=5, site="shop/views.py:7", name="GET /shelves/"):
    return QueryOrigin.objects.create(
        template=template, site=site, function="shelf", kind="request", name=name,
        at=timezone.now() - timedelta(hours=hours), calls=calls, total_ms=ms, rows=9, executions=2,
        max_calls_per_execution=4,
    )  # fmt: skip


@pytest.fixture
def known():
    made = template(
        text="SELECT <b> FROM shelves",
        stack="perfops/origins/store.py:1 shelf\ngone.py:3 <module>",
    )
    for hour in range(12):
        sent(made, hours=hour)
        sent(made, hours=hour, calls=15, site="shop/tasks.py:9", name="shop.tidy")
    for days, causes in ((2, []), (0, ["Index i of public.t is gone."])):
        at = timezone.now() - timedelta(days=days)
        QueryPlan.objects.create(
            database="default", queryid="1", fingerprint=str(days), plan={"Plan": GATHER},
            causes=causes, first_seen_at=at, last_seen_at=at,
        )  # fmt: skip
    change = PlanChange("1", made.text, 0.0, ("Index i of public.t is gone.",), 1.0, 9.0, 99, 99)
    issue = plan_changes._advice(change, Conf())
    findings.record(Analysis.objects.create(state="finished"), [issue])
    return made


def test_a_query_shows_who_sends_it_its_plans_and_findings(
    admin_client, known, django_assert_max_num_queries
):
    with django_assert_max_num_queries(MOST_QUERIES):
        page = admin_client.get(url("change", known.pk)).content.decode()
    for part in (
        "SELECT &lt;b&gt; FROM shelves", "shop/views.py:7", "shop.tidy", "75.0%", "240",
        "Index i of public.t is gone.", "Parallel Seq Scan", "An earlier plan", "Mean time in ms",
        "Explain now", "<code>gone.py:3</code>", "&lt;module&gt;", "The counts in the database",
    ):  # fmt: skip
        assert part in page
    assert "style=" not in page
    assert "<script>" not in page


def test_the_list_has_the_costliest_first_and_few_queries_for_many_rows(
    admin_client, django_assert_max_num_queries
):
    for number in range(1, 46):
        each = template(number, text=f"SELECT {number} AS number_{number}")
        sent(each, ms=float(number))
        sent(each, hours=30, ms=1000.0)
    with django_assert_max_num_queries(10):
        page = admin_client.get(url("changelist")).content.decode()
    assert page.index("number_45") < page.index("number_44")
    assert page.count("po-origin") == 20
    assert "45 queries" in page
    assert "number_1 " not in page


def test_the_window_and_the_search_go_together(admin_client):
    old, new = template(1, text="SELECT old"), template(2, text="SELECT new")
    sent(old, hours=100, ms=30.0, name="GET /old/")
    sent(new, ms=10.0)
    page = admin_client.get(url("changelist")).content.decode()
    assert "SELECT new" in page
    assert "SELECT old" not in page
    page = admin_client.get(url("changelist"), {"window": "week"}).content.decode()
    assert page.index("SELECT old") < page.index("SELECT new")
    page = admin_client.get(url("changelist"), {"window": "week", "q": "/old/"}).content.decode()
    assert "SELECT old" in page
    assert "SELECT new" not in page


@pytest.mark.parametrize(
    ("window", "shown"),
    [("hour", "a"), ("6h", "ab"), ("day", "abc"), ("30h", "abcd"), ("5d", "abcde")],
)
@pytest.mark.parametrize("page", ["querytemplate", "scopetotal"])
def test_any_period_can_be_looked_at(admin_client, page, window, shown):
    for name, hours in zip("abcde", (0, 4, 20, 28, 100), strict=True):
        sent(template(ord(name), text=f"SELECT {name}_of_it"), hours=hours)
        ScopeTotal.objects.create(
            database="default", kind="request", name=f"GET /{name}_of_it/", executions=1, calls=1,
            at=timezone.now() - timedelta(hours=hours), total_ms=1, max_calls_per_execution=1,
            repeated_calls=0,
        )  # fmt: skip
    address = reverse(f"admin:perfops_{page}_changelist")
    answer = admin_client.get(address, {"window": window}).content.decode()
    assert [name for name in "abcde" if f"{name}_of_it" in answer] == list(shown)
    assert f'<li class="selected">\n    <a href="?window={window}">last ' in answer
    assert "is no period" not in answer


@pytest.mark.parametrize("window", ["nonsense", "0h", "-3d", "99999d", "1e9d", "٣d", "401d"])
def test_what_is_no_period_is_said_and_a_day_shown(admin_client, window):
    sent(template(1, text="SELECT old"), hours=100)
    answer = admin_client.get(url("changelist"), {"window": window, "q": "SELECT"}).content.decode()
    assert f"“{window}” is no period" in answer
    assert "SELECT old" not in answer
    # The form of another period keeps what else was asked for.
    assert '<input type="hidden" name="q" value="SELECT">' in answer
    page = admin_client.get(url("change", template(2).pk), {"window": window}).content.decode()
    assert f"“{window}” is no period" in page


def test_an_empty_list_says_how_it_fills(admin_client):
    assert "No statement was counted" in admin_client.get(url("changelist")).content.decode()


def test_a_query_that_nobody_sent_lately_is_still_a_page(admin_client):
    page = admin_client.get(url("change", template().pk)).content.decode()
    assert "Not sent in this window" in page
    assert "No plan is kept yet" in page


def test_explaining_shows_the_plan_now(admin_client):
    page = admin_client.post(url("explain", template().pk)).content.decode()
    assert "The generic plan" in page
    assert "Result" in page


def test_running_it_shows_where_the_time_is(admin_client):
    page = admin_client.post(url("explain", template().pk), {"analyse": "1"}).content.decode()
    assert "rolled back" in page
    assert "by itself" in page


def test_no_transaction_of_a_request_holds_the_connection_that_a_plan_needs(
    admin_client, monkeypatch
):
    """As behind a pooler that lends out one connection, in a project with ATOMIC_REQUESTS."""
    depths = []

    def look(*_, **__):
        depths.append(len(connection.atomic_blocks))
        raise NoPlan("not asked")

    monkeypatch.setattr("perfops.admin.queries.plans.explain_query", look)
    monkeypatch.setattr("perfops.admin.session_pages.present.now", look)
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert "not asked" in admin_client.post(url("explain", template().pk)).content.decode()
    with pytest.raises(NoPlan):
        admin_client.get(reverse("admin:perfops_analysis_now"))
    assert depths == [len(connection.atomic_blocks)] * 2


def test_what_can_not_be_explained_says_why(admin_client):
    made = template(text="SELECT nothing_there FROM %s")
    page = admin_client.post(url("explain", made.pk), {"analyse": "1"}).content.decode()
    assert "SAMPLE_PARAMETERS" in page
    page = admin_client.post(url("explain", made.pk)).content.decode()
    assert "PostgreSQL can&#x27;t prepare it" in page


@pytest.mark.parametrize(
    ("permissions", "statuses"),
    [
        ((), (403, 403, 403)),
        (("view_querytemplate",), (200, 200, 403)),
        (("view_querytemplate", "explain_query"), (200, 200, 200)),
        (("explain_query",), (403, 403, 403)),
    ],
)
def test_seeing_and_explaining_are_separate_rights(client, permissions, statuses):
    made = template()
    user = User.objects.create_user("someone", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    answers = (
        client.get(url("changelist")), client.get(url("change", made.pk)),
        client.post(url("explain", made.pk)),
    )  # fmt: skip
    assert tuple(answer.status_code for answer in answers) == statuses


def test_explaining_takes_post_only_and_a_login(admin_client, client):
    made = template()
    assert admin_client.get(url("explain", made.pk)).status_code == 405
    client.logout()
    assert client.post(url("explain", made.pk)).status_code == 302


@pytest.mark.parametrize(
    "advice",
    [
        slow_queries._advice(
            Statement("1", "SELECT $1", 10, 900.0, 10, 0, 0, 0, 0), "warning", 1.0
        ),
        n_plus_one._issue(
            Origin(
                "SELECT %s", ("7", "1"), "a.py:1", "f", "request", "GET /", 90, 9, 10, 9, 1.0, 9, 90
            ),
            Conf(),
        ),
        plan_changes._advice(
            PlanChange("1", "SELECT %s", 0.0, ("Statistics changed.",), 1.0, 9.0, 99, 99), Conf()
        ),
        DetectedIssue(
            "missing_index", "public.t (c)", "info", "An index", "w", "r", queryids=("1", "2")
        ),
    ],
    ids=lambda advice: advice.advisor,
)
def test_a_statement_and_its_findings_lead_to_each_other(admin_client, advice):
    made, other = template(text="SELECT %s"), template(3, text="SELECT other")
    findings.record(Analysis.objects.create(state="finished"), [advice])
    finding = Finding.objects.get()
    there = reverse("admin:perfops_finding_change", args=[finding.pk])
    assert there in admin_client.get(url("change", made.pk)).content.decode()
    assert there not in admin_client.get(url("change", other.pk)).content.decode()
    page = admin_client.get(there).content.decode()
    assert url("change", made.pk) in page
    assert url("change", other.pk) not in page


def test_what_is_resolved_stands_below_what_is_open_and_a_mute_is_said(admin_client):
    made = template()
    shown = [
        DetectedIssue("growth", name, "warning", f"Finding {name}", "w", "r", queryids=("1",))
        for name in ("gone", "muted", "open")
    ]
    findings.record(Analysis.objects.create(state="finished"), shown)
    findings.record(Analysis.objects.create(state="finished"), shown[1:])
    muted = Finding.objects.get(object="muted")
    triage.mute([muted.pk], until=timezone.now().date() + timedelta(days=9), reason="known")
    page = admin_client.get(url("change", made.pk)).content.decode()
    places = [page.index(part) for part in ("Finding open", "Finding muted", "Finding gone")]
    assert places == sorted(places)
    assert "resolved" in page[places[-1] :]
    assert ": known" in page


def test_a_finding_about_a_statement_that_nobody_here_sends_says_so(admin_client):
    advice = DetectedIssue("slow_queries", "SELECT 1", "info", "slow", "w", "r", queryids=("5",))
    findings.record(Analysis.objects.create(state="finished"), [advice])
    there = reverse("admin:perfops_finding_change", args=[Finding.objects.get().pk])
    assert "No line of the project" in admin_client.get(there).content.decode()


def test_the_statements_of_a_finding_are_no_part_of_its_fingerprint():
    one = DetectedIssue("growth", "public.t", "info", "t", "w", "r")
    assert one.fingerprint == replace(one, queryids=("1",)).fingerprint


def test_statements_per_request_are_shown_with_the_most_first(
    admin_client, django_assert_max_num_queries
):
    now = timezone.now()
    for number, name in enumerate(("GET /few/", "GET /many/", "GET /gone/"), 1):
        ScopeTotal.objects.create(
            database="default", kind="request", name=name, span="minute", executions=10,
            at=now - timedelta(days=number == 3 and 40), calls=10 * number + 3, total_ms=50.0,
            max_calls_per_execution=9, repeated_calls=10 * number,
        )  # fmt: skip
    address = reverse("admin:perfops_scopetotal_changelist")
    with django_assert_max_num_queries(10):
        page = admin_client.get(address).content.decode()
    assert page.index("GET /many/") < page.index("GET /few/")
    assert "2.3" in page
    assert "10 requests" in page
    assert "GET /gone/" not in page
    # What is on one page is not offered to be shown, nor are counts that rows have not.
    assert "Show all" not in page
    assert "Show counts" not in page
    assert "GET /many/" not in admin_client.get(address, {"q": "few"}).content.decode()
    assert "GET /few/" not in admin_client.get(address, {"database": "other"}).content.decode()
