"""Staff keeps the taxonomy; what is in use stays."""

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from profiles.models import Narrative, Profile, TimelineEvent
from taxonomy.models import Epoch, EpochStage, Mask, Stage
from tests.contracts.test_access import EPOCH, MASK, STAGE

URL = "/taxonomy"


def test_a_mask_is_made_changed_and_deleted(world):
    redaction = {"private_tags": ["salary"], "excluded_entities": [], "obfuscate_dates": True}
    made = world.staff.post(f"{URL}/masks", {**MASK, "redaction": redaction})
    assert made.status_code == 201
    assert made["Location"] == "/api/v1/taxonomy/masks/new"
    assert made.json()["redaction"] == redaction
    tag = world.staff.get(f"{URL}/masks/new")["ETag"]
    changed = world.staff.patch(f"{URL}/masks/new", {"tone": "dry"}, **{"If-Match": tag})
    assert changed.json()["tone"] == "dry"
    late = world.staff.patch(f"{URL}/masks/new", {"tone": "wet"}, **{"If-Match": tag})
    assert late.status_code == 412
    assert world.staff.delete(f"{URL}/masks/new").status_code == 204
    assert not Mask.objects.filter(slug="new").exists()


@pytest.mark.parametrize(("path", "body"), [("masks", MASK), ("epochs", EPOCH), ("stages", STAGE)])
def test_a_slug_is_there_once(world, path, body):
    assert world.staff.post(f"{URL}/{path}", body).status_code == 201
    again = world.staff.post(
        f"{URL}/{path}", {**body, "position": 78} if path == "epochs" else body
    )
    assert again.status_code == 409
    assert "slug" in again.json()["detail"]
    renamed = world.staff.patch(f"{URL}/{path}/new", {"slug": "other"})
    assert renamed.status_code == 422


def test_an_epochs_stages_keep_their_order(world):
    made = world.staff.post(f"{URL}/epochs", {**EPOCH, "stages": ["reflection", "design"]})
    assert [each["slug"] for each in made.json()["stages"]] == ["reflection", "design"]
    changed = world.staff.patch(f"{URL}/epochs/new", {"stages": ["design", "inquiry"]})
    assert [each["slug"] for each in changed.json()["stages"]] == ["design", "inquiry"]
    assert (
        world.staff.patch(f"{URL}/epochs/new", {"name": "x"}).json()["stages"]
        == (changed.json()["stages"])
    )
    for stages, field in ((["nobody"], "body.stages.0"), (["design"] * 2, "body.stages")):
        refused = world.staff.patch(f"{URL}/epochs/new", {"stages": stages})
        assert refused.json()["errors"][0]["field"] == field
    assert EpochStage.objects.filter(epoch__slug="new").count() == 2
    assert world.staff.patch(f"{URL}/epochs/new", {"position": 1}).status_code == 409
    assert world.staff.delete(f"{URL}/epochs/new").status_code == 204


def test_what_is_in_use_is_not_deleted_and_says_by_what(world, monkeypatch):
    mask = world.staff.delete(f"{URL}/masks/architect")
    assert mask.status_code == 409
    assert "2 narratives" in mask.json()["detail"]
    assert "1 profile" in world.staff.delete(f"{URL}/masks/analyst").json()["detail"]
    TimelineEvent.objects.update(epoch=Epoch.objects.get(slug="mastery"))
    epoch = world.staff.delete(f"{URL}/epochs/mastery")
    assert (epoch.status_code, epoch.json()["detail"]) == (409, "It is in use by 1 timeline event.")
    stage = world.staff.delete(f"{URL}/stages/design")
    assert "2 epoch stages" in stage.json()["detail"]
    monkeypatch.setattr("taxonomy.selectors._MOST_COUNTED", 1)
    many = world.staff.delete(f"{URL}/masks/architect").json()["detail"]
    assert "more than 1 narratives" in many
    assert Mask.objects.filter(slug="architect").exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ontology": "other"}, "body.ontology"),
        ({"compression_ratio": 0}, "body.compression_ratio"),
        ({"compression_ratio": 0.001}, "body.compression_ratio"),
        ({"compression_ratio": 1.01}, "body.compression_ratio"),
        ({"priority_weights": {"x": 0}}, "body.priority_weights.x"),
        ({"priority_weights": {"x": "2"}}, "body.priority_weights.x"),
        ({"priority_weights": {"x": True}}, "body.priority_weights.x"),
        ({"redaction": {"other": 1}}, "body.redaction.other"),
        ({"redaction": {"obfuscate_dates": "yes"}}, "body.redaction.obfuscate_dates"),
        ({"contexts": ["\x00"]}, "body.contexts"),
    ],
)
def test_a_bad_mask_is_refused(world, body, field):
    before = Mask.objects.count()
    answer = world.staff.post(f"{URL}/masks", {**MASK, **body})
    assert answer.status_code == 422
    assert field in {error["field"] for error in answer.json()["errors"]}
    assert Mask.objects.count() == before


@pytest.mark.usefixtures("empty_cache")
def test_a_change_over_the_api_is_seen_at_once(world, django_capture_on_commit_callbacks):
    for path, body, name in (
        ("masks/spare", {"tone": "dry"}, "tone"),
        ("epochs/spare", {"summary": "dry"}, "summary"),
        ("stages/spare", {"summary": "dry"}, "summary"),
    ):
        world.nobody.get(f"{URL}/{path}")
        with django_capture_on_commit_callbacks(execute=True):
            world.staff.patch(f"{URL}/{path}", body)
        assert world.nobody.get(f"{URL}/{path}").json()[name] == "dry"


def test_the_admin_says_what_is_in_the_way_without_loading_it(
    world, admin_client, django_assert_max_num_queries
):
    mask = Mask.objects.get(slug="architect")
    profile = Profile.objects.get(slug="ada")
    Narrative.objects.bulk_create(
        Narrative(profile=profile, mask=mask, blocks=[]) for _ in range(50)
    )
    with django_assert_max_num_queries(10):
        page = admin_client.get(reverse("admin:taxonomy_mask_delete", args=[mask.pk]))
    assert "in use by 52 narratives" in page.content.decode()
    admin_client.post(reverse("admin:taxonomy_mask_delete", args=[mask.pk]), {"post": "yes"})
    assert Mask.objects.filter(slug="architect").exists()
    spare = Stage.objects.get(slug="spare")
    admin_client.post(reverse("admin:taxonomy_stage_delete", args=[spare.pk]), {"post": "yes"})
    assert not Stage.objects.filter(slug="spare").exists()
    change = admin_client.get(reverse("admin:taxonomy_mask_change", args=[mask.pk]))
    assert 'name="slug"' not in change.content.decode()
    assert get_user_model().objects.filter(is_superuser=True).exists()


def test_a_patch_of_the_redaction_keeps_what_it_leaves_out(world):
    path = "/taxonomy/masks/spare"
    world.staff.patch(path, {"redaction": {"private_tags": ["secret"], "obfuscate_dates": True}})
    changed = world.staff.patch(path, {"redaction": {"excluded_entities": ["award"]}})
    assert changed.json()["redaction"] == {
        "private_tags": ["secret"],
        "excluded_entities": ["award"],
        "obfuscate_dates": True,
    }
    assert world.staff.patch(path, {"redaction": {"private_tags": None}}).status_code == 422
