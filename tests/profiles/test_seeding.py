"""`manage.py seed`: repeatable, and taken up where it stopped."""

from itertools import islice

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from profiles import seeding
from profiles.models import SLUG, Profile


@given(st.integers(0, 2500), st.integers(0, 300), st.integers(0, 2**31))
def test_a_person_is_the_same_wherever_the_stretch_begins(start, length, seed):
    asked = list(seeding.people(seed=seed, start=start, stop=start + length, masks=[1, 2]))
    all_of_them = seeding.people(seed=seed, start=0, stop=start + length, masks=[1, 2])
    assert asked == list(islice(all_of_them, start, None))


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_seeding_tops_up_and_keeps_what_is_there():
    call_command("seed", profiles=30)
    first = set(Profile.objects.values_list("pk", "slug", "owner_id"))
    call_command("seed", profiles=50)
    call_command("seed", profiles=50)
    now = set(Profile.objects.values_list("pk", "slug", "owner_id"))
    assert len(first) == 30
    assert len(now) == 50
    assert first < now
    assert (
        not get_user_model().objects.filter(username__startswith="seed-")[0].has_usable_password()
    )
    for profile in Profile.objects.all():
        assert SLUG.fullmatch(profile.slug)
        profile.clean_fields()


@pytest.mark.django_db
def test_a_negative_number_is_refused():
    with pytest.raises(CommandError, match="negative"):
        call_command("seed", profiles=-1)
