"""Who may see which profile, and how it is sent."""

from uuid import uuid4

import pytest
from django.test import Client

from profiles.schemas import profile as schemas

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]
URL = "/api/v1/profiles"


def get(path, user=None):
    client = Client()
    if user is not None:
        client.force_login(user)
    return client.get(f"{URL}{path}")


def status(path, user):
    return get(path, user).status_code


@pytest.mark.parametrize(
    ("visibility", "is_active", "for_anyone", "for_owner", "for_staff"),
    [
        ("public", True, 200, 200, 200),
        ("unlisted", True, 200, 200, 200),
        ("private", True, 404, 200, 200),
        ("public", False, 404, 404, 200),
        ("private", False, 404, 404, 200),
    ],
)
def test_visibility_holds_for_everyone(
    make_profile, owner, staff, stranger, visibility, is_active, for_anyone, for_owner, for_staff
):
    profile = make_profile(visibility=visibility, is_active=is_active)
    for path in (f"/{profile.pk}", f"/{profile.slug}"):
        assert status(path, None) == for_anyone
        assert status(path, stranger) == for_anyone
        assert status(path, owner) == for_owner
        assert status(path, staff) == for_staff


def test_a_private_view_leaves_nothing_in_the_cache(make_profile, owner):
    profile = make_profile(visibility="private")
    own = get(f"/{profile.slug}", owner)
    assert (own["X-Cache"], own["Cache-Control"]) == ("BYPASS", "private, no-store")
    assert get(f"/{profile.slug}").status_code == 404


def test_only_the_owner_sees_the_address(make_profile, owner, staff, stranger):
    make_profile()
    assert get("/ada", owner).json()["email"] == "ada@example.com"
    for other in (None, stranger, staff):
        assert get("/ada", other).json()["email"] is None


def test_the_list_shows_only_what_is_public_and_active(make_profile):
    make_profile("shown")
    make_profile("unlisted", visibility="unlisted")
    make_profile("private", visibility="private")
    make_profile("inactive", is_active=False)
    assert [each["slug"] for each in get("").json()["results"]] == ["shown"]


def test_the_answers_are_what_their_schemas_say(make_profile):
    make_profile()
    detail, listing = get("/ada").json(), get("").json()
    assert set(detail) == set(schemas.Profile.model_fields)
    assert set(listing["results"][0]) == set(schemas.ProfileSummary.model_fields)
    schemas.Profile.model_validate(detail)
    schemas.ProfileList.model_validate(listing)


def test_walking_the_list_meets_every_profile_once_both_ways(make_profile):
    slugs = [make_profile(f"number-{n}").slug for n in range(7)][::-1]
    forward, backward, page = [], [], get("?limit=3").json()
    assert page["previous"] is None
    while True:
        forward += [each["slug"] for each in page["results"]]
        if page["next"] is None:
            break
        page = Client().get(page["next"]).json()
    while True:
        backward += [each["slug"] for each in page["results"]][::-1]
        if page["previous"] is None:
            break
        page = Client().get(page["previous"]).json()
    assert forward == slugs
    assert backward == slugs[::-1]


@pytest.mark.parametrize("cursor", ["x", "!!!!", "AAAA", "a" * 100, "%00", "eA" * 12])
def test_a_bad_cursor_is_a_422_with_the_reason(make_profile, cursor):
    answer = get(f"?cursor={cursor}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "query.cursor"


@pytest.mark.parametrize("limit", ["0", "101", "x", "-1"])
def test_a_bad_limit_is_a_422(limit):
    assert get(f"?limit={limit}").status_code == 422


@pytest.mark.parametrize(
    "reference",
    [
        "nobody",
        "Not-A-Slug",
        "a--b",
        "00000000",
        "%00",
        "123e4567-e89b-12d3-a456-42661417400",
        "a b",
    ],
)
def test_a_malformed_id_is_a_404(reference):
    answer = get(f"/{reference}")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"


def test_an_unknown_id_is_a_404(db):
    assert get(f"/{uuid4()}").status_code == 404


@pytest.mark.parametrize("path", ["", "/ada"])
def test_a_miss_takes_one_query_and_a_hit_none(make_profile, django_assert_num_queries, path):
    make_profile()
    with django_assert_num_queries(1):
        first = get(path)
    with django_assert_num_queries(0):
        second = get(path)
    assert (first["X-Cache"], second["X-Cache"]) == ("MISS", "HIT")


def test_a_change_is_seen_at_once(make_profile, django_capture_on_commit_callbacks):
    profile = make_profile()
    get("/ada"), get("")
    with django_capture_on_commit_callbacks(execute=True):
        profile.display_name = "Countess"
        profile.save()
    assert get("/ada").json()["display_name"] == "Countess"
    assert get("").json()["results"][0]["display_name"] == "Countess"


def test_a_slug_may_not_look_like_an_id(make_profile):
    from django.core.exceptions import ValidationError

    with pytest.raises(ValidationError, match="look like an id"):
        make_profile(str(uuid4())).full_clean()


def test_the_wrong_method_is_a_405_with_problem_details(client):
    answer = client.put(URL, {}, content_type="application/json")
    assert answer.status_code == 405
    assert answer["Content-Type"] == "application/problem+json"
    assert "GET" in answer["Allow"]
