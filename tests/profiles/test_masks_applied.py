"""Masks are selected by contexts, and a profile is told through one: both deterministic."""

from datetime import date, timedelta
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.narration import Material, narrate, recency, weigh
from profiles.schemas.narrative import NewBlock
from taxonomy import selection
from taxonomy.selection import MaskView

TODAY = date(2026, 11, 24)


def mask(**changes):
    plain = {
        "id": 1, "slug": "plain", "name": "Plain", "ontology": "cognitive", "tone": "calm",
        "rhetorical_mode": "story", "compression_ratio": 1.0, "contexts": (), "triggers": (),
        "include_tags": (), "exclude_tags": (), "priority_weights": {}, "private_tags": (),
        "excluded_entities": (), "obfuscate_dates": False,
    }  # fmt: skip
    given = {**plain, **changes}
    return MaskView(**{k: frozenset(v) if isinstance(v, tuple) else v for k, v in given.items()})


def material(key="a", **changes):
    return Material(
        **{
            "key": key, "kind": "event", "title": "Title", "body": "Body", "tags": (),
            "starts_on": date(2020, 1, 15), "ends_on": None, **changes,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "points"),
    [
        (["context"], 2),
        (["trigger"], 1),
        (["tag"], 2),
        (["bad"], -1),
        (["heavy"], 3),
        (["Context", "TRIGGER", "tag", "bad", "heavy"], 7),
        (["context", "context"], 2),
        (["nothing"], 0),
        ([], 0),
    ],
)
def test_the_score_is_the_sum_of_what_matches(words, points):
    one = mask(
        contexts=("context",), triggers=("trigger",), include_tags=("tag",),
        exclude_tags=("bad",), priority_weights={"heavy": 3},
    )  # fmt: skip
    assert selection.score(one, words) == points


def test_only_what_suits_is_selected_and_ties_go_by_slug():
    masks = [mask(slug=slug, contexts=("x",)) for slug in ("b", "c", "a")]
    found = selection.select([*masks, mask(slug="best", contexts=("x",), triggers=("x",)),
                              mask(slug="none")], ["x"])  # fmt: skip
    assert [each.slug for each, _ in found] == ["best", "a", "b", "c"]


@pytest.mark.usefixtures("empty_cache")
def test_for_design_the_architect_comes_first(world):
    answer = world.nobody.get("/profiles/ada/masks?contexts=design").json()
    assert answer["contexts"] == ["design"]
    assert answer["results"][0] == {
        "slug": "architect", "name": "Architect", "ontology": "expressive", "score": 4.0,
    }  # fmt: skip


def test_without_contexts_the_interests_are_taken(world, django_assert_num_queries):
    world.profile.interests = ["testing", "quality"]
    world.profile.save()
    with django_assert_num_queries(3):
        answer = world.nobody.get("/profiles/ada/masks").json()
    assert answer["results"][0]["slug"] == "calibrator"
    assert world.nobody.get(f"/profiles/ada/masks?contexts={'a,' * 21}").status_code == 422


@pytest.mark.parametrize(("days_ago", "points"), [(0, 2), (-30, 2), (548, 1), (1096, 0), (5000, 0)])
def test_recency_falls_in_a_straight_line_over_36_months(days_ago, points):
    assert recency(TODAY - timedelta(days=days_ago), TODAY) == pytest.approx(points, abs=0.01)


@pytest.mark.parametrize(
    ("tags", "points"),
    [
        (("design",), 2),
        (("DESIGN",), 2),
        (("designer",), 1),
        (("sign",), 1),
        (("other",), 0),
        (("design", "designer"), 3),
        (("heavy",), 4),
        (("bad",), -2),
        ((), 0),
    ],
)
def test_an_exact_tag_weighs_two_and_a_part_of_one_one(tags, points):
    one = mask(include_tags=("design",), exclude_tags=("bad",), priority_weights={"heavy": 4})
    old = material(tags=tags, starts_on=date(1990, 1, 1))
    assert weigh(old, one, TODAY) == points


def test_what_is_private_or_of_an_excluded_kind_is_left_out():
    told = narrate(
        [
            material("a", tags=("Salary",)),
            material("b", kind="award"),
            material("c", title="Shown"),
        ],
        mask(private_tags=("salary",), excluded_entities=("award",)),
        as_of=TODAY,
    )
    assert [block["title"] for block in told] == ["Shown"]


def test_obfuscated_dates_leave_only_the_year():
    one = material(starts_on=date(2020, 5, 17), ends_on=date(2021, 6, 1))
    (plain,) = narrate([one], mask(), as_of=TODAY)
    (hidden,) = narrate([one], mask(obfuscate_dates=True), as_of=TODAY)
    assert plain["body"] == "2020-05-17 to 2021-06-01\n\nBody"
    assert hidden["body"] == "2020 to 2021\n\nBody"


materials = st.lists(
    st.builds(
        material,
        key=st.uuids().map(str),
        kind=st.sampled_from(["event", "project", "award"]),
        title=st.text(min_size=1, max_size=300).filter(str.strip),
        body=st.text(max_size=20),
        tags=st.lists(st.sampled_from(["design", "x", "Bad", "secret"])).map(tuple),
        starts_on=st.none() | st.dates(),
        importance=st.floats(0, 1),
    ),
    max_size=30,
    unique_by=lambda each: each.key,
)


@given(materials, st.floats(0.01, 1), st.randoms())
def test_the_same_material_in_any_order_gives_the_same_blocks(given_material, ratio, random):
    one = mask(include_tags=("design",), exclude_tags=("bad",), private_tags=("secret",),
               compression_ratio=ratio)  # fmt: skip
    told = narrate(given_material, one, as_of=TODAY)
    shuffled = random.sample(given_material, len(given_material))
    assert narrate(shuffled, one, as_of=TODAY) == told
    allowed = [each for each in given_material if "secret" not in each.tags]
    assert len(told) == ceil(len(allowed) * ratio)
    assert [block["weight"] for block in told] == sorted(
        (block["weight"] for block in told), reverse=True
    )
    assert all("secret" not in block["tags"] for block in told)
    assert all(len(block["title"]) <= 200 for block in told)


def test_a_generated_narrative_is_a_draft_with_blocks_that_one_could_send(world):
    made = world.owner.post("/profiles/ada/narratives/generate", {"mask": "architect"})
    assert made.status_code == 201
    body = made.json()
    assert (body["status"], body["mask"]) == ("draft", "architect")
    # Seven CV entries that can be told and one event, cut to six tenths.
    assert len(body["blocks"]) == ceil(8 * 0.6)
    for block in body["blocks"]:
        NewBlock(**block)
    assert world.nobody.get(made["Location"].removeprefix("/api/v1")).status_code == 404
    again = world.owner.post(
        "/profiles/ada/narratives/generate",
        {"mask": "architect", "as_of": body["meta"]["generated"]["as_of"]},
    )
    assert again.json()["blocks"] == body["blocks"]


def test_without_a_mask_the_default_one_is_taken(world):
    made = world.owner.post("/profiles/ada/narratives/generate", {})
    assert made.json()["mask"] == "analyst"
    world.profile.default_mask = None
    world.profile.save()
    refused = world.owner.post("/profiles/ada/narratives/generate", {})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "body.mask"
