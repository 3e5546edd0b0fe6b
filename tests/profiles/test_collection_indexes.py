"""The indexes of what hangs on a profile: on full tables the planner uses them, and never sorts."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from profiles import models, seeding
from profiles.collections import APPLICATIONS, CV, NARRATIVES, TIMELINE
from taxonomy.models import Mask
from tests.explain import check, nodes

PROFILES = 1500


@pytest.fixture(scope="module")
def profile(django_db_setup, django_db_blocker):
    """One of many profiles, with applications."""
    with django_db_blocker.unblock():
        seeding.seed(profiles=PROFILES, seed=77)
        found = models.JobApplication.objects.first().profile_id
        # Of most tables a profile has few rows, which the planner would as well sort: give it more.
        for each in CV:
            (example,) = each.body.model_config["json_schema_extra"]["examples"]
            example = {name: example[name] for name in example if name != "external_id"}  # unique
            each.model.objects.bulk_create(
                each.model(**example, profile_id=found, position=1000 + n) for n in range(100)
            )
        models.JobApplication.objects.filter(profile_id=found).delete()
        models.JobApplication.objects.bulk_create(
            models.JobApplication(
                profile_id=found, posting=posting, status="submitted" if n % 2 else "draft"
            )
            for n, posting in enumerate(models.JobPosting.objects.all()[:200])
        )
        with_quotas()
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE) profiles_usagequota")
            cursor.execute("ANALYZE")
        yield found
        get_user_model().objects.filter(username__startswith="seed-77-").delete()
        models.JobPosting.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def with_quotas():
    """Every profile has used something in each of four months."""
    models.UsageQuota.objects.bulk_create(
        models.UsageQuota(
            profile_id=profile,
            feature=feature,
            period_start=datetime(2026, month, 1, tzinfo=UTC),
            period_end=datetime(2026, month + 1, 1, tzinfo=UTC),
            used=3,
        )
        for profile in models.Profile.objects.values_list("pk", flat=True)
        for feature in models.UsageQuota.Feature.values
        for month in range(1, 5)
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("collection", "index"),
    [
        *((collection, f"{collection.model._meta.model_name}_position") for collection in CV),
        (TIMELINE, "profiles_timelineevent_latest"),
        (NARRATIVES, "profiles_narrative_latest"),
        (APPLICATIONS, "profiles_jobapplication_latest"),
    ],
    ids=lambda value: getattr(value, "path", value),
)
def test_the_page_of_a_collection_walks_its_index(profile, collection, index):
    rows = collection.model.objects.filter(profile_id=profile).order_by(*collection.order.columns())
    check(rows[:3], index)


@pytest.mark.django_db
def test_the_latest_approved_narrative_per_mask(profile):
    mask = Mask.objects.first()
    rows = models.Narrative.objects.filter(profile_id=profile, mask=mask, status="approved")
    check(rows.order_by("-approved_at")[:1], "profiles_narrative_approved")


@pytest.mark.django_db
def test_applications_of_one_status_newest_first(profile):
    rows = models.JobApplication.objects.filter(profile_id=profile, status="submitted")
    check(rows.order_by("-updated_at", "-id")[:20], "profiles_jobapplication_status")


@pytest.mark.django_db
def test_the_tier_check_reads_the_index_alone(profile):
    rows = models.Subscription.objects.filter(profile_id=profile)
    found = nodes(rows.values("tier", "status", "period_end", "cancel_at")[:1])
    assert found == ["Limit", "Index Only Scan profiles_subscription_one"]


@pytest.mark.django_db
def test_subscriptions_by_tier(profile):
    rows = models.Subscription.objects.filter(tier="enterprise", status="past_due")
    check(rows.values("profile_id"), "profiles_subscription_tier")


@pytest.mark.django_db
def test_the_quota_check_reads_the_index_alone(profile):
    rows = models.UsageQuota.objects.filter(
        profile_id=profile, period_start=datetime(2026, 3, 1, tzinfo=UTC)
    )
    assert nodes(rows.values("feature", "used")) == ["Index Only Scan profiles_usagequota_period"]
