"""`manage.py seed`: repeatable, and taken up where it stopped."""

import json
from itertools import islice

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from profiles import seeding
from profiles.collections import APPLICATIONS, CV, NARRATIVES, TIMELINE
from profiles.models import (
    SLUG,
    JobPosting,
    Narrative,
    Profile,
    Subscription,
    TimelineEvent,
)


@pytest.mark.slow
@given(st.integers(0, 300), st.integers(0, 50), st.integers(0, 2**31))
def test_a_person_is_the_same_wherever_the_stretch_begins(start, length, seed):
    asked = list(seeding.people(seed=seed, start=start, stop=start + length, masks=[1, 2]))
    all_of_them = seeding.people(seed=seed, start=0, stop=start + length, masks=[1, 2])
    assert asked == list(islice(all_of_them, start, None))


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_seeding_tops_up_and_keeps_what_is_there(capsys):
    call_command("seed", profiles=30)
    first = set(Profile.objects.values_list("pk", "slug", "owner_id"))
    capsys.readouterr()
    call_command("seed", profiles=50, format="json")
    assert json.loads(capsys.readouterr().out)["added"] == 20
    call_command("seed", profiles=50)
    now = set(Profile.objects.values_list("pk", "slug", "owner_id"))
    by_hand = 2
    assert len(first) == 30 + by_hand
    assert len(now) == 50 + by_hand
    assert first < now
    assert (
        not get_user_model().objects.filter(username__startswith="seed-")[0].has_usable_password()
    )
    for profile in Profile.objects.all():
        assert SLUG.fullmatch(profile.slug)
        profile.clean_fields()


def check_what_hangs_on_them():
    """Every row is one that the forms would take, and the spread is about right."""
    seeded = Profile.objects.filter(slug__regex=r"-1-\d+$")
    for each in (*CV, TIMELINE, NARRATIVES, APPLICATIONS):
        rows = each.model.objects.filter(profile__in=seeded)
        for row in rows:
            row.clean_fields()
        assert rows.filter(profile=seeded[0]).count() == 10 or each is not TIMELINE
    entries = sum(each.model.objects.filter(profile__in=seeded).count() for each in CV)
    assert 5 * 50 <= entries <= 15 * 50
    assert Subscription.objects.filter(profile__in=seeded).count() == 50
    assert Narrative.objects.filter(profile__in=seeded, status="approved").exists()
    assert JobPosting.objects.count() == 200


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_same_seed_makes_the_same_rows():
    def everything():
        return {
            each.path: sorted(each.model.objects.values_list("pk", "profile_id", "tags"), key=str)
            for each in (*CV, TIMELINE)
        }

    call_command("seed", profiles=20)
    first = everything()
    get_user_model().objects.filter(username__startswith="seed-").delete()
    call_command("seed", profiles=7)
    call_command("seed", profiles=20)
    assert everything() == first


@pytest.mark.django_db
def test_two_people_are_made_by_hand_once(client):
    assert seeding.handmade() == ["mara-lindqvist", "ravi-castellanos"]
    assert seeding.handmade() == []
    for slug in ("mara-lindqvist", "ravi-castellanos"):
        profile = Profile.objects.get(slug=slug)
        assert Narrative.objects.filter(profile=profile, status="approved").count() == 2
        epochs = TimelineEvent.objects.filter(profile=profile).values_list("epoch__slug")
        assert len(set(epochs)) >= 4
        assert all(each.model.objects.filter(profile=profile).exists() for each in CV)
    told = client.get("/api/v1/profiles/mara-lindqvist/narratives").json()["results"]
    first = told[-1]["blocks"][0]
    assert first["title"]
    assert told[-1]["mask"] in {"architect", "steward"}


@pytest.mark.django_db
def test_a_negative_number_is_refused():
    with pytest.raises(CommandError, match="negative"):
        call_command("seed", profiles=-1)
