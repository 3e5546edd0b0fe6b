"""The collections under a profile: all of them by the same rules."""

from urllib.parse import urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from profiles.collections import APPLICATIONS, CV, NARRATIVES, TIMELINE
from profiles.models import Experience, Profile, Project, Skill, TimelineEvent
from profiles.selectors import collections
from tests.world import NAMES

COLLECTIONS = [*CV, TIMELINE, NARRATIVES]
paths = pytest.mark.parametrize("collection", COLLECTIONS, ids=lambda collection: collection.path)


@pytest.mark.usefixtures("empty_cache")
@paths
def test_a_public_read_takes_two_queries_then_none(world, django_assert_num_queries, collection):
    for path in (
        f"/profiles/ada/{collection.path}",
        f"/profiles/ada/{collection.path}/{world.parts[collection.path]}",
    ):
        with django_assert_num_queries(2):  # the profile; the rows
            first = world.nobody.get(path)
        with django_assert_num_queries(0):
            again = world.nobody.get(path)
        assert (first["X-Cache"], again["X-Cache"]) == ("MISS", "HIT")
        tag = {"If-None-Match": first["ETag"]}
        assert world.nobody.get(path, **tag).status_code == 304


@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize(
    "collection", [*COLLECTIONS, APPLICATIONS], ids=lambda collection: collection.path
)
@pytest.mark.parametrize("rows", [1, 30])
def test_ones_own_read_takes_as_many_whatever_the_size(
    world, django_assert_num_queries, collection, rows
):
    first = collection.model.objects.get(pk=world.parts[collection.path])
    if collection is not APPLICATIONS:
        for _ in range(rows):
            first.pk, first._state.adding = None, True
            first.pk = first._meta.pk.get_default()
            if collection.path == "projects":
                first.external_id = ""
            first.save(force_insert=True)
    with django_assert_num_queries(3):  # the session; the profile; the rows
        answer = world.owner.get(f"/profiles/ada/{collection.path}?limit={rows}")
    assert answer["Cache-Control"] == "private, no-store"
    with django_assert_num_queries(3):
        world.owner.get(f"/profiles/ada/{collection.path}/{world.parts[collection.path]}")


@paths
def test_the_answers_are_what_the_schemas_say(world, collection):
    listed = world.nobody.get(f"/profiles/ada/{collection.path}").json()
    assert set(listed) == {"results", "next", "previous"}
    for row in listed["results"]:
        assert set(row) == set(collection.shown.model_fields)
        collection.shown.model_validate(row)


@paths
def test_a_change_is_seen_by_everyone_at_once(
    world, collection, django_capture_on_commit_callbacks
):
    if collection is NARRATIVES:
        return
    below = f"{collection.path}/{world.parts[collection.path]}"
    path = f"/profiles/ada/{below}"
    for reference in ("ada", world.profile.pk):
        world.nobody.get(f"/profiles/{reference}/{below}")
    with django_capture_on_commit_callbacks(execute=True):
        assert world.owner.patch(path, {"tags": ["changed"]}).status_code == 200
    for reference in ("ada", world.profile.pk):
        seen = world.nobody.get(f"/profiles/{reference}/{below}").json()
        assert seen["tags"] == ["changed"]
    with django_capture_on_commit_callbacks(execute=True):
        world.profile.visibility = "private"
        world.profile.save()
    assert world.nobody.get(path).status_code == 404


@paths
def test_who_changes_what_has_changed_meanwhile_is_told(world, collection):
    path = f"/profiles/ada/{collection.path}/{world.parts[collection.path]}"
    tag = world.owner.get(path)["ETag"]
    change = {"revision_note": "x"} if collection is NARRATIVES else {"tags": ["first"]}
    first = world.owner.patch(path, change, **{"If-Match": tag})
    assert first.status_code == 200
    second = world.owner.patch(path, change, **{"If-Match": tag})
    assert (second.status_code, second.json()["type"]) == (412, "urn:midst:problem:changed")
    assert (
        world.owner.patch(path, change, **{"If-Match": f'"x", {first["ETag"]}'}).status_code == 200
    )
    assert world.owner.patch(path, change, **{"If-Match": f"W/{first['ETag']}"}).status_code == 412
    assert world.owner.patch(path, change, **{"If-Match": "*"}).status_code == 200


def test_new_entries_come_last_unless_they_say_where(world):
    for body in ({"name": "b"}, {"name": "c"}, {"name": "first", "position": 0}):
        assert world.owner.post("/profiles/ada/skills", body).status_code == 201
    listed = world.nobody.get("/profiles/ada/skills").json()["results"]
    assert [(each["name"], each["position"]) for each in listed] == [
        ("Analysis", 0), ("first", 0), ("b", 1), ("c", 2),
    ]  # fmt: skip


def test_an_external_id_is_there_once_in_a_profile(world):
    again = world.owner.post("/profiles/ada/projects", NAMES["projects"])
    assert again.status_code == 409
    assert "external_id" in again.json()["detail"]
    for _ in range(2):
        assert world.owner.post("/profiles/ada/projects", {"name": "none"}).status_code == 201
    key = world.owner.get("/profiles/ada/projects").json()["results"][-1]["id"]
    assert (
        world.owner.patch(f"/profiles/ada/projects/{key}", {"external_id": "g"}).status_code == 409
    )


@pytest.mark.parametrize(
    ("first", "then", "good"),
    [
        ({"starts_on": "2020-01-02"}, {"ends_on": "2020-01-02"}, True),
        ({"starts_on": "2020-01-02"}, {"ends_on": "2020-01-01"}, False),
        ({"ends_on": "2020-01-01"}, {"starts_on": "2020-01-02"}, False),
        ({"starts_on": "2020-01-02", "ends_on": "2021-01-01"}, {"ends_on": None}, True),
    ],
)
def test_nothing_ends_before_it_starts_even_in_two_steps(world, first, then, good):
    made = world.owner.post("/profiles/ada/awards", {"title": "x", **first})
    assert made.status_code == 201
    answer = world.owner.patch(made["Location"].removeprefix("/api/v1"), then)
    assert answer.status_code == (200 if good else 422)
    if not good:
        assert answer.json()["errors"][0]["field"] == "body.ends_on"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "x" * 121}, "body.role"),
        ({"role": ""}, "body.role"),
        ({"role": " \t "}, "body.role"),
        ({"role": 7}, "body.role"),
        ({"role": None}, "body.role"),
        ({"role": "a\x00b"}, "body.role"),
        ({"role": "a\x07b"}, "body.role"),
        ({"description": "x" * 10_001}, "body.description"),
        ({"position": -1}, "body.position"),
        ({"position": 10**30}, "body.position"),
        ({"position": "1"}, "body.position"),
        ({"position": True}, "body.position"),
        ({"position": 1.5}, "body.position"),
        ({"starts_on": "2020-02-30"}, "body.starts_on"),
        ({"starts_on": 0}, "body.starts_on"),
        ({"starts_on": "0"}, "body.starts_on"),
        ({"starts_on": "10000-01-01"}, "body.starts_on"),
        ({"tags": "a"}, "body.tags"),
        ({"tags": ["x" * 51]}, "body.tags.0"),
        ({"tags": [f"{n}" for n in range(31)]}, "body.tags"),
        ({"id": "01890000-0000-7000-8000-000000000000"}, "body.id"),
        ({"profile": "eve"}, "body.profile"),
        ({"../etc": 1}, "body.../etc"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_bad_input_is_named_and_nothing_is_written(world, method, body, field):
    before = list(Experience.objects.values())
    path = "/profiles/ada/experience"
    if method == "POST":
        answer = world.owner.post(path, {**NAMES["experience"], **body})
    else:
        answer = world.owner.patch(f"{path}/{world.parts['experience']}", body)
    assert answer.status_code == 422
    assert field in {error["field"] for error in answer.json()["errors"]}
    assert list(Experience.objects.values()) == before


@pytest.mark.parametrize("slug", ["..", "%2e%2e", "a%2fb", "%00", "A", "x" * 300, "%F0%9F%98%80"])
def test_an_address_that_can_be_none_is_a_404(world, slug):
    for path in (f"/profiles/{slug}/skills", f"/profiles/{slug}", f"/profiles/ada/skills/{slug}"):
        assert world.nobody.get(path).status_code == 404


def test_an_event_is_placed_in_an_epoch_and_a_stage(world):
    path = f"/profiles/ada/timeline/{world.parts['timeline']}"
    body = world.owner.patch(path, {"epoch": "mastery", "stage": "design"}).json()
    assert (body["epoch"], body["stage"]) == ("mastery", "design")
    assert world.owner.patch(path, {"epoch": None}).json()["epoch"] is None
    refused = world.owner.patch(path, {"stage": "nobody"})
    assert refused.json()["errors"][0]["field"] == "body.stage"
    assert TimelineEvent.objects.get().stage.slug == "design"


class Ownership(TestCase):
    """Whatever is sent to whatever address, no row of another profile changes."""

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def test_no_patch_changes_a_row_of_another_profile(self, data):
        from midst.accounts import services as accounts

        users = [get_user_model().objects.create_user(name) for name in ("a", "b")]
        profiles, rows = [], []
        for user in users:
            profile = Profile.objects.create(
                owner=user, slug=user.username, display_name="x", visibility="public"
            )
            profiles.append(profile)
            rows.append(Skill.objects.create(profile=profile, name="skill"))
            rows.append(Project.objects.create(profile=profile, name="project"))
        attacker = data.draw(st.sampled_from(users))
        token = accounts.start_session(attacker).access
        path = data.draw(st.sampled_from(["skills", "projects"]))
        key = data.draw(st.sampled_from([row.pk for row in rows]))
        reference = data.draw(
            st.sampled_from([each for p in profiles for each in (p.slug, str(p.pk))])
        )
        body = data.draw(
            st.fixed_dictionaries(
                {}, optional={
                    "name": st.text(max_size=5), "level": st.integers(0, 6),
                    "profile": st.sampled_from([str(p.pk) for p in profiles]),
                    "profile_id": st.sampled_from([str(p.pk) for p in profiles]),
                    "tags": st.lists(st.text(max_size=3), max_size=2),
                },
            )
        )  # fmt: skip
        victim = next(p for p in profiles if p.owner_id != attacker.pk)

        def owned():
            return [
                list(model.objects.filter(profile=victim).order_by("pk").values())
                for model in (Skill, Project)
            ]

        before = owned()
        Client().patch(
            f"/api/v1/profiles/{reference}/{path}/{key}", body,
            content_type="application/json", headers={"Authorization": f"Bearer {token}"},
        )  # fmt: skip
        assert owned() == before
        assert Skill.objects.count() == Project.objects.count() == 2


def test_all_of_a_profile_goes_with_it_in_one_transaction(
    world, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        assert world.owner.delete("/profiles/ada").status_code == 204
    for collection in (*COLLECTIONS, APPLICATIONS):
        assert not collection.model.objects.exists()
    assert world.nobody.get("/profiles/ada").status_code == 404


def test_links_of_a_list_lead_through_it(world):
    for n in range(5):
        world.owner.post("/profiles/ada/awards", {"title": f"a{n}"})
    seen, page = [], "/profiles/ada/awards?limit=2"
    while page:
        body = world.nobody.get(page).json()
        seen += [each["title"] for each in body["results"]]
        page = body["next"] and body["next"].removeprefix("/api/v1")
    assert seen == ["Medal", "a0", "a1", "a2", "a3", "a4"]
    assert urlsplit(world.nobody.get("/profiles/ada/awards?limit=2").json()["next"]).path == (
        "/api/v1/profiles/ada/awards"
    )
    foreign = world.nobody.get("/profiles?limit=1").json()
    assert foreign["next"] is None
    assert collections.not_found(TIMELINE).kind.status == 404
