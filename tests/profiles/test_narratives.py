"""A narrative's life: draft, approved, a draft again once it is edited."""

import pytest
from django.contrib import admin
from django.urls import reverse

from profiles.models import Narrative

URL = "/profiles/ada/narratives"
BLOCK = {"title": "Note G", "body": "x", "tags": ["a"], "weight": 1.5, "template": ""}


@pytest.fixture
def draft(world):
    return f"{URL}/{world.draft.pk}"


def test_approval_makes_it_public_and_editing_a_draft_again(world, draft):
    assert world.nobody.get(draft).status_code == 404
    approved = world.owner.post(f"{draft}/approve", None)
    assert approved.status_code == 200
    assert approved.json()["approved_at"] is not None
    assert Narrative.objects.get(pk=world.draft.pk).approved_by == world.profile.owner
    assert world.nobody.get(draft).json()["status"] == "approved"
    changed = world.owner.patch(draft, {"blocks": [BLOCK]}).json()
    assert (changed["status"], changed["approved_at"]) == ("draft", None)
    assert changed["blocks"] == [BLOCK]


def test_a_patch_that_changes_nothing_leaves_it_approved(world):
    url = f"{URL}/{world.parts['narratives']}"
    assert world.owner.patch(url, {}).json()["status"] == "approved"


def test_rejection_keeps_a_note_that_others_never_see(world, draft):
    rejected = world.owner.post(f"{draft}/reject", {"revision_note": "shorter"}).json()
    assert (rejected["status"], rejected["revision_note"]) == ("rejected", "shorter")
    assert world.owner.post(f"{draft}/reject", {}).status_code == 409
    assert world.owner.post(f"{draft}/approve", None).status_code == 200
    assert world.owner.post(f"{draft}/approve", None).status_code == 409
    public = world.nobody.get(draft).json()
    assert (public["revision_note"], public["meta"]) == ("", {})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"blocks": [{"title": ""}]}, "body.blocks.0.title"),
        ({"blocks": [{"title": "x", "weight": -1}]}, "body.blocks.0.weight"),
        ({"blocks": [{"title": "x", "weight": "1"}]}, "body.blocks.0.weight"),
        ({"blocks": [{"title": "x", "other": 1}]}, "body.blocks.0.other"),
        ({"blocks": {}}, "body.blocks"),
        ({"blocks": [{"title": "x"}] * 201}, "body.blocks"),
        ({"meta": {"x": "y" * 10_000}}, "body.meta"),
        ({"meta": {"x": "\x00"}}, "body.meta"),
        ({"mask": "nobody"}, "body.mask"),
        ({"status": "approved"}, "body.status"),
    ],
)
def test_bad_blocks_are_named_and_nothing_changes(world, draft, body, field):
    before = Narrative.objects.values().get(pk=world.draft.pk)
    answer = world.owner.patch(draft, body)
    assert answer.status_code == 422
    assert field in {error["field"] for error in answer.json()["errors"]}
    assert Narrative.objects.values().get(pk=world.draft.pk) == before


def test_an_edit_in_the_admin_makes_a_draft_of_it_as_well(world, admin_client):
    key = world.parts["narratives"]
    url = reverse("admin:profiles_narrative_change", args=[key])
    page = admin_client.get(url)
    form = page.context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    data["blocks"], data["meta"], data["revision_note"] = "[]", "{}", "by hand"
    bad = admin_client.post(url, {**data, "blocks": '[{"title": 1}]'})
    assert "Give a list of" in bad.content.decode()
    assert admin_client.post(url, data).status_code == 302
    edited = Narrative.objects.get(pk=key)
    assert (edited.status, edited.approved_at, edited.revision_note) == ("draft", None, "by hand")
    assert "status" in admin.site._registry[Narrative].readonly_fields
