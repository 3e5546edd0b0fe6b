"""The pages of queries as a person sees them."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from perfops.models import QueryOrigin, QueryPlan, QueryTemplate
from tests.browser.test_perfops_pages import CONTRAST

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
TEXT = (
    'SELECT "profiles_profile"."id", "profiles_profile"."slug", "profiles_profile"."display_name" '
    'FROM "profiles_profile" INNER JOIN "taxonomy_mask" ON ("profiles_profile"."default_mask_id" '
    '= "taxonomy_mask"."id") WHERE "taxonomy_mask"."slug" = %s ORDER BY "profiles_profile"."id" '
    "DESC LIMIT 21"
)
PLAN = {
    "Node Type": "Limit", "Plan Rows": 21, "Total Cost": 900.0, "Actual Rows": 21,
    "Actual Loops": 1, "Actual Total Time": 48.2, "Shared Hit Blocks": 5120,
    "Plans": [{
        "Node Type": "Nested Loop", "Join Type": "Inner", "Plan Rows": 40, "Total Cost": 880.0,
        "Actual Rows": 21, "Actual Loops": 1, "Actual Total Time": 48.1, "Shared Hit Blocks": 5120,
        "Plans": [
            {"Node Type": "Index Scan", "Scan Direction": "Backward", "Schema": "public",
             "Relation Name": "profiles_profile", "Index Name": "profiles_profile_pkey",
             "Plan Rows": 400, "Total Cost": 300.0, "Actual Rows": 9000, "Actual Loops": 1,
             "Actual Total Time": 38.0, "Shared Hit Blocks": 4900, "Shared Read Blocks": 300,
             "Filter": "(visibility = 'public'::text)", "Rows Removed by Filter": 31000},
            {"Node Type": "Memoize", "Plan Rows": 1, "Total Cost": 0.3, "Actual Rows": 0,
             "Actual Loops": 9000, "Actual Total Time": 0.001, "Plans": [
                {"Node Type": "Index Scan", "Schema": "public", "Relation Name": "taxonomy_mask",
                 "Index Name": "taxonomy_mask_slug_key", "Plan Rows": 1, "Total Cost": 0.29,
                 "Actual Rows": 0, "Actual Loops": 8, "Actual Total Time": 0.004,
                 "Index Cond": "(id = profiles_profile.default_mask_id)"}]},
        ],
    }],
}  # fmt: skip


def url(live_server, name, *arguments):
    return live_server.url + reverse(f"admin:perfops_querytemplate_{name}", args=arguments)


@pytest.fixture
def query(transactional_db):
    now = timezone.now()
    for number in range(1, 13):
        made = QueryTemplate.objects.create(
            id=-number, database="default", text=TEXT if number == 1 else f"{TEXT} -- {number}",
            queryids=[str(7 * 10**17 + number)], first_seen_at=now,
        )  # fmt: skip
        for hour in range(30):
            for site, kind, name, calls in (
                ("profiles/selectors.py:148", "request", "GET /api/v1/profiles", 900),
                ("profiles/selectors.py:201", "request", "GET /api/v1/profiles/{slug}/masks", 300),
                ("", "task", "perfops.analyse_database", 3),
            ):
                QueryOrigin.objects.create(
                    template=made, site=site, function="ProfileQuery.newest", kind=kind,
                    name=name, at=now - timedelta(hours=hour), calls=calls,
                    total_ms=calls * (2 + hour % 7) / number, rows=calls * 21,
                    executions=calls // 3, max_calls_per_execution=12,
                )  # fmt: skip
    for days, causes in ((3, []), (0, ["Index profiles_profile_newest of x is gone."])):
        at = now - timedelta(days=days)
        QueryPlan.objects.create(
            database="default", queryid=str(7 * 10**17 + 1), fingerprint=str(days),
            plan={"Plan": PLAN}, causes=causes, first_seen_at=at, last_seen_at=at,
        )  # fmt: skip
    return QueryTemplate.objects.get(id=-1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_pages_of_queries_fit_and_can_be_read(open_admin, live_server, query, scheme, width):
    page = open_admin(scheme, width)
    for name, *arguments in (("changelist",), ("change", query.pk)):
        page.goto(url(live_server, name, *arguments))
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    for selector in (".po-step .po-note", ".po-step-warning", ".po-step-share", ".po-window"):
        assert page.evaluate(CONTRAST, selector) >= 4.5, selector


def test_a_plan_is_asked_for_and_its_refusal_is_read(open_admin, live_server, query):
    page = open_admin()
    page.goto(url(live_server, "change", query.pk))
    page.click("text=Explain now")
    page.wait_for_selector("text=generic plan")
    page.wait_for_load_state()
    assert page.locator(".po-plan .po-step").count() >= 3
    QueryTemplate.objects.filter(pk=query.pk).update(text="SELECT nothing FROM nowhere")
    page.goto(url(live_server, "change", query.pk))
    page.click("text=Run it and explain")
    page.wait_for_selector("text=PostgreSQL gives no plan")
