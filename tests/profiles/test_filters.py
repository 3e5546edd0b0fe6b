"""Filters of lists: what they select, and that an unknown value is told."""

import pytest


def ids(client, query):
    answer = client.get(f"/profiles/ada/narratives{query}")
    assert answer.status_code == 200, answer.content
    return {each["id"] for each in answer.json()["results"]}


@pytest.mark.usefixtures("empty_cache")
def test_narratives_are_filtered_by_mask_and_status(world):
    approved, draft = str(world.parts["narratives"]), str(world.draft.pk)
    assert ids(world.owner, "?status=draft") == {draft}
    assert ids(world.owner, "?status=approved&mask=architect") == {approved}
    assert ids(world.owner, "?mask=analyst") == set()
    assert ids(world.nobody, "?mask=architect") == {approved}
    assert ids(world.nobody, "?mask=analyst") == set()
    assert ids(world.nobody, "?status=draft") == set()
    assert ids(world.nobody, "") == {approved}


def test_the_links_of_a_filtered_list_keep_the_filter(world):
    for _ in range(2):
        world.owner.post("/profiles/ada/narratives", {"mask": "architect", "blocks": []})
    page = world.owner.get("/profiles/ada/narratives?mask=architect&limit=1").json()
    assert "mask=architect" in page["next"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/profiles/ada/narratives?mask=nothing", "query.mask"),
        ("/profiles/ada/narratives?status=lost", "query.status"),
        ("/taxonomy/stages?epoch=nothing", "query.epoch"),
    ],
)
def test_an_unknown_value_of_a_filter_is_told(world, path, field):
    answer = world.nobody.get(path)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_a_narrative_through_an_unknown_mask_is_not_found(world):
    answer = world.owner.post("/profiles/ada/narratives/generate", {"mask": "nothing"})
    assert answer.status_code == 404


def test_an_exhausted_quota_says_what_is_left_and_what_a_better_plan_allows(world):
    for _ in range(5):
        world.owner.post("/profiles/ada/narratives", {"mask": "architect", "blocks": []})
    refused = world.owner.post("/profiles/ada/narratives", {"mask": "architect", "blocks": []})
    assert refused.status_code == 403
    detail = refused.json()["detail"]
    assert "The free plan allows 5 narratives a month; 0 are left until" in detail
    assert detail.endswith("The pro plan has no limit.")


def test_a_mask_too_many_says_what_a_better_plan_allows(world):
    answers = [
        world.owner.post("/profiles/ada/narratives", {"mask": mask, "blocks": []})
        for mask in ("narrator", "steward")
    ]
    assert answers[-1].status_code == 403
    assert "this makes it 4. The pro plan allows 16." in answers[-1].json()["detail"]
