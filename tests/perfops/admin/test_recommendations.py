"""Index advice on the finding's page: proof, change, download, and what it did."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from perfops.analysis import findings
from perfops.analysis.advisors.detection import DetectedIssue
from perfops.models import Analysis, Finding, QueryTemplate, Recommendation

pytestmark = pytest.mark.django_db
MIGRATION = "class Migration(migrations.Migration):\n\n    atomic = False\n"
ADVICE = DetectedIssue(
    "missing_index", "public.shop_order (customer_id)", "warning",
    "An index on public.shop_order (customer_id) would save 42% of the database's time", "why",
    "Put it into Meta.indexes.", statement='CREATE INDEX CONCURRENTLY "x" ON "shop_order" ...;',
    evidence={"proof": "rehearsed on a copy of 40,000 rows"},
)  # fmt: skip


@pytest.fixture
def advice():
    findings.record(Analysis.objects.create(state="finished", window_s=7200.0), [ADVICE])
    effects = [
        {"queryid": "1", "text": "SELECT <b> FROM shop_order WHERE customer_id = $1",
         "calls": 1234, "mean_ms": 12.5, "before": 12.5, "after": 0.025, "blocks_before": 1703.0,
         "blocks_after": 15.0},
        {"queryid": "2", "text": "SELECT 2", "calls": 5, "mean_ms": 1.0, "before": 1812.0,
         "after": 8.4, "blocks_before": None, "blocks_after": None},
    ]  # fmt: skip
    return Recommendation.objects.create(
        finding=Finding.objects.get(), kind="add", index_schema="public", index_name="x",
        proof="rehearsed on a copy of 40,000 rows", unit="ms", effects=effects, gain=0.9,
        app_label="shop", migration_name="0007_add_x", migration=MIGRATION,
        meta="models.Index(fields=['customer'], name='x'),",
    )  # fmt: skip


def page(advice):
    return reverse("admin:perfops_finding_change", args=[advice.finding_id])


def download(advice):
    return reverse("admin:perfops_finding_migration", args=[advice.finding_id])


def test_the_page_shows_before_and_after_of_each_statement(admin_client, advice):
    text = admin_client.get(page(advice)).content.decode()
    for part in ("rehearsed on a copy of 40,000 rows", "1,234", "12.5", "0.025", "500.0 times",
                 "1,703 → 15", "&lt;b&gt;", "shop/migrations/0007_add_x.py"):  # fmt: skip
        assert part in text
    assert "SELECT <b>" not in text


def test_of_a_drop_the_page_shows_how_its_statements_do_without(admin_client, advice):
    effects = [
        {"queryid": "1", "text": "SELECT 1", "calls": 7, "mean_ms": 2.0, "before": 2.0,
         "after": 2.0, "blocks_before": 9.0, "blocks_after": 10.0},
        {"queryid": "2", "text": "SELECT nothing_to_it", "calls": 5, "mean_ms": 1.0},
    ]  # fmt: skip
    Recommendation.objects.update(kind="drop", gain=0.0, effects=effects)
    text = admin_client.get(page(advice)).content.decode()
    for part in ("rehearsed on a copy of 40,000 rows", "9 → 10", "1.0 times"):
        assert part in text
    assert "nothing_to_it" not in text


def test_the_migration_is_downloaded_as_the_file_it_will_be(admin_client, advice):
    response = admin_client.get(download(advice))
    assert response.content.decode() == MIGRATION
    assert response["Content-Disposition"] == 'attachment; filename="0007_add_x.py"'


def test_a_finding_without_a_migration_has_no_download(admin_client, advice):
    Recommendation.objects.update(migration="")
    assert admin_client.get(download(advice)).status_code == 404
    assert download(advice) not in admin_client.get(page(advice)).content.decode()
    advice.delete()
    assert admin_client.get(download(advice)).status_code == 404
    assert admin_client.get(page(advice)).status_code == 200


def test_only_who_may_see_findings_may_download(client, advice):
    assert client.get(download(advice)).status_code == 302
    stranger = User.objects.create_user("stranger", password="x", is_staff=True)
    client.force_login(stranger)
    assert client.get(download(advice)).status_code == 403
    stranger.user_permissions.add(Permission.objects.get(codename="view_finding"))
    assert client.get(download(advice)).status_code == 200


@pytest.mark.parametrize(
    ("outcome", "says"),
    [("", "the next analyses measure"), ("fixed", "It helped"), ("worse", "made things worse"),
     ("no effect", "no effect")],
)  # fmt: skip
def test_what_it_did_is_told_once_it_is_applied(admin_client, advice, outcome, says):
    assert "What it did" not in admin_client.get(page(advice)).content.decode()
    advice.applied_at = datetime(2026, 5, 1, tzinfo=UTC)
    advice.outcome, advice.measured = outcome, [["ms per call after", 0.03]] if outcome else []
    advice.save()
    text = admin_client.get(page(advice)).content.decode()
    assert "What it did" in text
    assert says in text


def test_the_page_takes_few_queries(admin_client, advice, django_assert_max_num_queries):
    with django_assert_max_num_queries(20):
        admin_client.get(page(advice))


def test_each_statement_of_the_proof_leads_to_its_page_and_back(admin_client, advice):
    made = QueryTemplate.objects.create(
        id=-1, database="default", text="SELECT b FROM shop_order WHERE customer_id = %s",
        queryids=["1"], first_seen_at=datetime.now(UTC),
    )  # fmt: skip
    there = reverse("admin:perfops_querytemplate_change", args=[made.pk])
    assert admin_client.get(page(advice)).content.decode().count(there) == 1
    Finding.objects.update(queryids=["1", "2"])
    assert page(advice) in admin_client.get(there).content.decode()
