"""Plans: which one counts, what it allows, and that it is never overspent."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from hypothesis import given
from hypothesis import strategies as st

from midst.kernel.problems import Problem
from profiles import plans
from profiles.collections import CV
from profiles.models import Profile, Subscription, UsageQuota, UserUsage
from profiles.plans import Terms
from profiles.services import quotas
from tests.world import at_once

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PAST, FUTURE = NOW - timedelta(days=1), NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("terms", "tier"),
    [
        (Terms(), "free"),
        (Terms("pro"), "pro"),
        (Terms("pro", "active", FUTURE), "pro"),
        (Terms("pro", "active", PAST), "free"),
        (Terms("pro", "trialing", FUTURE), "pro"),
        (Terms("pro", "trialing"), "free"),
        (Terms("pro", "past_due", FUTURE), "pro"),
        (Terms("pro", "past_due", PAST), "free"),
        (Terms("enterprise", "canceled", FUTURE), "enterprise"),
        (Terms("enterprise", "canceled"), "free"),
        (Terms("pro", "active", FUTURE, PAST), "free"),
        (Terms("pro", "active", FUTURE, FUTURE), "pro"),
    ],
)
def test_status_and_dates_decide_the_tier(terms, tier):
    assert plans.effective_tier(terms, NOW) == tier


@given(st.datetimes(datetime(1970, 1, 1), datetime(2999, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_period_holds_its_moment_and_the_next_begins_where_it_ends(moment):
    period = plans.period_of(moment)
    assert period.start <= moment < period.end
    assert plans.period_of(period.end).start == period.end
    assert period.start.day == 1


def test_the_table_of_plans():
    assert plans.LIMITS == {
        "job_applications": {"free": 5, "pro": None, "enterprise": None},
        "masks": {"free": 3, "pro": 16, "enterprise": 16},
        "narratives": {"free": 5, "pro": None, "enterprise": None},
        "exports": {"free": 1, "pro": 5, "enterprise": None},
    }


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize(("amount", "through"), [(1, 5), (2, 2), (6, 0)])
def test_sixteen_at_once_never_overspend(amount, through):
    owner = get_user_model().objects.create_user("owner")
    profile = Profile.objects.create(owner=owner, slug="ada", display_name="Ada")

    def consume():
        try:
            quotas.consume(profile, UsageQuota.Feature.NARRATIVES, amount)
        except Problem:
            return False
        return True

    outcomes = at_once(consume, 16)
    assert outcomes.count(True) == through
    used = UsageQuota.objects.filter(profile=profile).values_list("used", flat=True)
    assert sum(used) == through * amount


def test_a_period_that_has_ended_rolls_over_by_itself(world):
    last = plans.period_of(plans.period_of(datetime.now(UTC)).start - timedelta(days=1))
    UsageQuota.objects.create(
        profile=world.profile, feature="exports", period_start=last.start, period_end=last.end,
        used=1,
    )  # fmt: skip
    assert world.owner.ask("POST", "/profiles/ada/export").status_code == 200
    refused = world.owner.ask("POST", "/profiles/ada/export")
    assert refused.status_code == 403
    assert refused.json()["type"] == "urn:midst:problem:quota-exhausted"
    assert "exports a month" in refused.json()["detail"]
    assert UsageQuota.objects.filter(profile=world.profile).count() == 2


def test_an_export_holds_everything(world):
    body = world.owner.ask("POST", "/profiles/ada/export").json()
    assert body["profile"]["slug"] == "ada"
    assert all(len(entries) == 1 for entries in body["cv"].values())
    assert list(body["cv"]) == [collection.path for collection in CV]
    assert [len(body[name]) for name in ("timeline", "narratives", "applications")] == [1, 2, 1]


def test_what_fails_uses_nothing(world):
    for _ in range(7):
        answer = world.owner.post("/profiles/ada/narratives", {"mask": "nobody"})
        assert answer.status_code == 422
    assert not UsageQuota.objects.exists()


def test_the_sixth_narrative_of_a_month_is_refused_on_the_free_plan(world):
    made = [
        world.owner.post("/profiles/ada/narratives", {"mask": "analyst"}).status_code
        for _ in range(6)
    ]
    assert made == [201] * 5 + [403]
    changed = world.staff.patch("/profiles/ada/subscription", {"tier": "pro"})
    assert changed.json()["effective_tier"] == "pro"
    assert world.owner.post("/profiles/ada/narratives", {"mask": "analyst"}).status_code == 201


def test_a_fourth_mask_is_refused_on_the_free_plan(world):
    # The default one and the architect's narratives are in use already.
    assert world.owner.post("/profiles/ada/narratives", {"mask": "steward"}).status_code == 201
    refused = world.owner.post("/profiles/ada/narratives", {"mask": "narrator"})
    assert refused.json()["type"] == "urn:midst:problem:quota-exhausted"
    assert world.owner.post("/profiles/ada/narratives", {"mask": "steward"}).status_code == 201
    assert world.owner.patch("/profiles/ada", {"default_mask": "narrator"}).status_code == 200
    assert world.owner.patch("/profiles/ada", {"default_mask": "analyst"}).status_code == 200


def test_neither_a_new_profile_nor_a_second_one_has_more(world):
    assert world.owner.ask("POST", "/profiles/ada/export").status_code == 200
    made = world.owner.post("/profiles", {"slug": "second", "display_name": "Ada"})
    assert made.status_code == 201
    assert world.owner.ask("POST", "/profiles/second/export").status_code == 403
    assert world.owner.delete("/profiles/ada").status_code == 204
    assert world.owner.post("/profiles", {"slug": "ada", "display_name": "A"}).status_code == 201
    refused = world.owner.ask("POST", "/profiles/ada/export")
    assert "0 are left" in refused.json()["detail"]
    body = world.owner.get("/profiles/ada/usage").json()
    assert [each["used"] for each in body["results"] if each["feature"] == "exports"] == [1]
    # Somebody else has an own count.
    assert world.other.post("/profiles", {"slug": "o", "display_name": "O"}).status_code == 201
    assert world.other.ask("POST", "/profiles/o/export").status_code == 200


def test_masks_count_over_all_profiles_of_a_user(world):
    def make(slug, mask):
        fields = {"slug": slug, "display_name": "Ada", "default_mask": mask}
        return world.owner.post("/profiles", fields).status_code

    # Two are in use by the first profile.
    assert make("second", "analyst") == 201
    assert make("third", "steward") == 201
    assert make("fourth", "narrator") == 403
    assert not Profile.objects.filter(slug="fourth").exists()


def test_usage_tells_what_is_left(world):
    world.owner.post("/profiles/ada/narratives", {"mask": "analyst"})
    body = world.owner.get("/profiles/ada/usage").json()
    told = {each["feature"]: (each["used"], each["limit"]) for each in body["results"]}
    assert body["tier"] == "free"
    assert told == {
        "job_applications": (0, 5), "masks": (2, 3), "narratives": (1, 5), "exports": (0, 1),
    }  # fmt: skip


def test_the_terms_of_a_plan_must_be_in_order(world):
    terms = {"period_start": "2026-02-01T00:00:00Z", "period_end": "2026-01-01T00:00:00Z"}
    answer = world.staff.patch("/profiles/ada/subscription", terms)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.period_end")
    assert not Subscription.objects.exists()
    tag = world.staff.get("/profiles/ada/subscription")["ETag"]
    assert world.staff.patch(
        "/profiles/ada/subscription", {"tier": "pro"}, **{"If-Match": tag}
    ).status_code == 200  # fmt: skip
    stale = world.staff.patch("/profiles/ada/subscription", {"tier": "free"}, **{"If-Match": tag})
    assert stale.status_code == 412


def test_staff_finds_what_a_user_has_used_and_can_not_change_it(world, admin_client):
    world.owner.ask("POST", "/profiles/ada/export")
    url = "/admin/profiles/userusage/"
    for name, found in (("owner", True), ("other", False)):
        page = admin_client.get(url, {"q": name}).content.decode()
        assert (">exports<" in page) is found
    row = UserUsage.objects.get()
    assert admin_client.post(f"{url}{row.pk}/change/", {"used": 0}).status_code == 403
    assert admin_client.get(f"{url}add/").status_code == 403
