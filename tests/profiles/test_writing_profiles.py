"""Profiles are made, changed and deleted over the API."""

import pytest

from profiles.models import Profile

NEW = {"slug": "grace", "display_name": "Grace"}


def fields(answer):
    return {error["field"] for error in answer.json()["errors"]}


def test_a_profile_is_made_private_and_its_owners(world):
    made = world.other.post("/profiles", {**NEW, "email": "grace@example.com"})
    assert made.status_code == 201
    assert made.json()["visibility"] == "private"
    assert made.json()["email"] == "grace@example.com"
    path = made["Location"].removeprefix("/api/v1")
    assert world.other.get(path).json() == made.json()
    assert world.nobody.get(path).status_code == 404
    assert [each["slug"] for each in world.other.get("/profiles/me").json()["results"]] == ["grace"]
    assert Profile.objects.get(slug="grace").owner.username == "other"


def test_me_is_fixed_in_queries_and_pages(world, django_assert_num_queries):
    for n in range(5):
        assert world.other.post("/profiles", {**NEW, "slug": f"g-{n}"}).status_code == 201
    for limit in (2, 5):
        with django_assert_num_queries(2):  # the session; the page
            body = world.other.get(f"/profiles/me?limit={limit}").json()
        assert len(body["results"]) == limit
    assert world.other.get("/profiles/me?limit=2").json()["next"]


def test_a_slug_is_there_once(world):
    taken = world.other.post("/profiles", {**NEW, "slug": "ada"})
    assert taken.status_code == 409
    world.other.post("/profiles", NEW)
    assert world.other.patch("/profiles/grace", {"slug": "ada"}).status_code == 409
    assert Profile.objects.get(slug="grace")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"slug": "../etc"}, "body.slug"),
        ({"slug": "A"}, "body.slug"),
        ({"slug": "a--b"}, "body.slug"),
        ({"slug": "a\nb"}, "body.slug"),
        ({"slug": "me"}, "body.slug"),
        ({"slug": "x" * 81}, "body.slug"),
        ({"slug": "01890000-0000-7000-8000-000000000000"}, "body.slug"),
        ({"slug": "0189000000007000800000000000000a"}, "body.slug"),
        ({"display_name": ""}, "body.display_name"),
        ({"display_name": "x" * 121}, "body.display_name"),
        ({"email": "nobody"}, "body.email"),
        ({"website": "javascript:alert(1)"}, "body.website"),
        ({"website": 'https://x"><script>'}, "body.website"),
        ({"website": "https://["}, "body.website"),
        ({"visibility": "everyone"}, "body.visibility"),
        ({"default_mask": "nobody"}, "body.default_mask"),
        ({"default_mask": ""}, "body.default_mask"),
        ({"languages": "en"}, "body.languages"),
        ({"interests": [""]}, "body.interests.0"),
        ({"is_active": False}, "body.is_active"),
        ({"owner": 1}, "body.owner"),
        ({"created_at": "2001-01-01T00:00:00Z"}, "body.created_at"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_bad_input_is_named_and_nothing_is_written(world, method, body, field):
    before = list(Profile.objects.values())
    if method == "POST":
        answer = world.owner.post("/profiles", {**NEW, **body})
    else:
        answer = world.owner.patch("/profiles/ada", body)
    assert answer.status_code == 422
    assert field in fields(answer)
    assert list(Profile.objects.values()) == before


def test_a_change_wants_what_was_seen(world):
    tag = world.owner.get("/profiles/ada")["ETag"]
    changed = world.owner.patch("/profiles/ada", {"title": "Countess"}, **{"If-Match": tag})
    assert (changed.status_code, changed.json()["title"]) == (200, "Countess")
    late = world.owner.patch("/profiles/ada", {"title": "x"}, **{"If-Match": tag})
    assert late.status_code == 412
    good = world.owner.patch("/profiles/ada", {"title": "x"}, **{"If-Match": changed["ETag"]})
    assert good.status_code == 200


@pytest.mark.usefixtures("empty_cache")
def test_a_renamed_profile_vanishes_from_its_old_address(world, django_capture_on_commit_callbacks):
    assert world.nobody.get("/profiles/ada").status_code == 200
    assert world.nobody.get("/profiles/ada/skills").status_code == 200
    with django_capture_on_commit_callbacks(execute=True):
        world.owner.patch("/profiles/ada", {"slug": "countess"})
    for path in ("/profiles/ada", "/profiles/ada/skills"):
        assert world.nobody.get(path).status_code == 404
    assert world.nobody.get("/profiles/countess").status_code == 200


def test_a_profile_can_be_found_by_the_beginning_of_its_name(world):
    for n, name in enumerate(["Grace Hopper", "grace Murray", "Gracia", "Zoë", "GRACE", "100% Ä"]):
        Profile.objects.create(
            owner=world.profile.owner, slug=f"p{n}", display_name=name, visibility="public"
        )

    def found(name):
        page, names = f"/profiles?limit=2&name={name}", []
        while page:
            body = world.nobody.get(page).json()
            names += [each["display_name"] for each in body["results"]]
            page = body["next"] and body["next"].removeprefix("/api/v1")
        return names

    assert found("grace") == ["GRACE", "Grace Hopper", "grace Murray"]
    assert found("GRAC") == ["GRACE", "Grace Hopper", "grace Murray", "Gracia"]
    assert found("zo%C3%AB") == ["Zoë"]
    assert found("100%25") == ["100% Ä"]
    assert found("_") == []
    assert "name" not in world.nobody.get("/profiles?name=zo").json()["results"][0]


def test_profiles_of_a_span_of_time(world):
    old = Profile.objects.create(
        owner=world.profile.owner, slug="old", display_name="Old", visibility="public"
    )
    Profile.objects.filter(pk=old.pk).update(created_at="2020-06-01T00:00:00Z")

    def found(query):
        return [each["slug"] for each in world.nobody.get(f"/profiles?{query}").json()["results"]]

    assert found("created_before=2021-01-01T00:00:00Z") == ["old"]
    assert found("created_from=2021-01-01T00:00:00Z") == ["ada"]
    assert found("created_from=2020-06-01T00:00:00Z&created_before=2020-06-01T00:00:01Z") == ["old"]
    assert world.nobody.get("/profiles?created_from=yesterday").status_code == 422
    assert world.nobody.get("/profiles?created_from=0.5").status_code == 422
    both = world.nobody.get("/profiles?name=a&created_from=2020-06-01T00:00:00Z")
    assert fields(both) == {"query.name"}
    other_list = world.nobody.get("/profiles?limit=1").json()["next"].partition("cursor=")[2]
    assert world.nobody.get(f"/profiles?name=a&cursor={other_list}").status_code == 422


def test_staff_may_change_but_does_not_see_the_address(world):
    world.profile.email = "ada@example.com"
    world.profile.save()
    changed = world.staff.patch("/profiles/ada", {"title": "x"})
    assert (changed.status_code, changed.json()["email"]) == (200, None)
    assert Profile.objects.get(slug="ada").email == "ada@example.com"
