"""Applications for jobs: once per posting, and only along the way they may go."""

import pytest

from profiles.models import JobApplication, JobPosting

URL = "/profiles/ada/applications"
WAYS = [
    ("draft", {"submitted", "withdrawn"}),
    ("submitted", {"interviewing", "rejected", "withdrawn"}),
    ("interviewing", {"offered", "rejected", "withdrawn"}),
    ("offered", {"rejected", "withdrawn"}),
    ("rejected", set()),
    ("withdrawn", set()),
]


@pytest.mark.parametrize(("now", "allowed"), WAYS)
def test_each_status_leads_only_where_it_may(world, now, allowed):
    key = world.parts["applications"]
    for wanted in JobApplication.Status.values:
        JobApplication.objects.filter(pk=key).update(status=now)
        answer = world.owner.patch(f"{URL}/{key}", {"status": wanted})
        assert answer.status_code == (200 if wanted in allowed | {now} else 409)
        assert JobApplication.objects.get(pk=key).status == (
            wanted if answer.status_code == 200 else now
        )


def test_sending_it_sets_the_time_once(world):
    key = world.parts["applications"]
    first = world.owner.patch(f"{URL}/{key}", {"status": "submitted"}).json()["applied_at"]
    assert first is not None
    later = world.owner.patch(f"{URL}/{key}", {"cover_letter": "Dear all"}).json()
    assert (later["applied_at"], later["cover_letter"]) == (first, "Dear all")


def test_a_posting_is_applied_for_once(world):
    again = world.owner.post(URL, {"posting": str(world.posting.pk)})
    assert again.status_code == 409
    assert "already" in again.json()["detail"]
    assert JobApplication.objects.count() == 1


def test_a_closed_or_unknown_posting_takes_none(world):
    JobPosting.objects.filter(pk=world.free.pk).update(status="closed")
    assert world.owner.post(URL, {"posting": str(world.free.pk)}).status_code == 409
    unknown = world.owner.post(URL, {"posting": "0" * 32})
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "body.posting")


def test_the_list_can_be_of_one_status(world):
    world.owner.post(URL, {"posting": str(world.free.pk), "status": "submitted"})
    assert len(world.owner.get(URL).json()["results"]) == 2
    (sent,) = world.owner.get(f"{URL}?status=submitted").json()["results"]
    assert sent["posting"] == str(world.free.pk)
    assert world.owner.get(f"{URL}?status=lost").status_code == 422


def test_postings_are_listed_open_ones_first_and_not_deleted_while_in_use(world):
    listed = world.nobody.get("/postings").json()["results"]
    assert [each["title"] for each in listed] == ["Designer", "Architect"]
    world.staff.patch(f"/postings/{world.free.pk}", {"status": "closed"})
    assert world.nobody.get("/postings?status=closed").json()["results"][0]["title"] == "Designer"
    refused = world.staff.delete(f"/postings/{world.posting.pk}")
    assert refused.status_code == 409
    assert world.nobody.get(f"/postings/{world.posting.pk}").status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"salary_min": 5, "salary_max": 4}, "body.salary_max"),
        ({"salary_min": -1}, "body.salary_min"),
        ({"salary_min": 2**31}, "body.salary_min"),
        ({"salary_min": "5"}, "body.salary_min"),
        ({"currency": "euro"}, "body.currency"),
        ({"url": "javascript:alert(1)"}, "body.url"),
        ({"title": " "}, "body.title"),
    ],
)
def test_a_bad_posting_is_refused(world, body, field):
    answer = world.staff.post("/postings", {"title": "x", "company": "y", **body})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert JobPosting.objects.count() == 2
