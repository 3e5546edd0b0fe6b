"""Walking a list by its cursors while rows come and go: each that stays comes exactly once."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from profiles.models import Profile, Skill, TimelineEvent
from tests.world import meanwhile

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
START = datetime(2020, 1, 1, tzinfo=UTC)
# Few places for many rows, so that most of them share one with others.
places = st.integers(0, 4)


class Profiles:
    """All public profiles, newest first."""

    path = "/api/v1/profiles?"
    model = Profile

    def __init__(self):
        self.user = get_user_model().objects.create_user("owner of the list")
        self.made = 0

    def add(self, place):
        self.made += 1
        profile = Profile.objects.create(
            owner=self.user,
            slug=f"row-{self.made}",
            display_name="Ada" + "a" * place,
            visibility="public",
        )
        # The server sets the time: this is how a row comes between others.
        Profile.objects.filter(pk=profile.pk).update(created_at=START + timedelta(days=place))
        return str(profile.pk)

    def remove(self, key):
        self.model.objects.get(pk=key).delete()

    def close(self):
        self.user.delete()


class ProfilesByName(Profiles):
    path = "/api/v1/profiles?name=ada&"


class Skills(Profiles):
    """One collection of one profile, by position."""

    path = "/api/v1/profiles/row-1/skills?"
    model = Skill

    def __init__(self):
        super().__init__()
        self.profile = Profile.objects.get(pk=super().add(0))

    def add(self, place):
        return str(Skill.objects.create(profile=self.profile, name="s", position=place).pk)


class Timeline(Skills):
    path = "/api/v1/profiles/row-1/timeline?"
    model = TimelineEvent

    def add(self, place):
        event = TimelineEvent.objects.create(
            profile=self.profile,
            kind="milestone",
            title="t",
            starts_on=START.date() + timedelta(days=place),
        )
        return str(event.pk)


@pytest.mark.slow
@pytest.mark.parametrize("collection", [Profiles, ProfilesByName, Skills, Timeline])
@settings(
    max_examples=10,
    # Every example is dozens of requests: a failure is told as it was met, not searched smaller.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(at_first=st.lists(places, min_size=1, max_size=12), limit=st.integers(1, 4), data=st.data())
def test_any_order_of_steps_and_writes(client, collection, at_first, limit, data):
    rows = collection()
    try:
        there = {rows.add(place) for place in at_first}
        forth = walk(client, rows, f"{rows.path}limit={limit}", "next", there, data)
        *passed, last = [page for page in forth if page["results"]] or [{"previous": None}]
        # Back from the last page: all that was passed on the way there and still is.
        behind = {each["id"] for page in passed for each in page["results"]} & there
        walk(client, rows, last["previous"], "previous", behind, data)
    finally:
        rows.close()


def walk(client, rows, link, way, there, data):
    """Follow the links; between any two steps rows come and go. Returns the pages met."""
    stayed, pages = set(there), []
    while link:
        pages.append(client.get(link).json())
        link = pages[-1][way]
        for place in data.draw(st.lists(places, max_size=2)):
            there.add(rows.add(place))
        for key in data.draw(st.sets(st.sampled_from(sorted(there)), max_size=2)) if there else ():
            rows.remove(key)
            there.remove(key)
            stayed.discard(key)
        assert len(pages) < 200, "the walk does not end"
    met = [each["id"] for page in pages for each in page["results"]]
    assert len(met) == len(set(met))
    assert stayed <= set(met)
    return pages


def test_a_walk_meets_every_row_once_while_others_write(client):
    """Rows that are there all the time come exactly once, new ones at most once."""
    owner = get_user_model().objects.create_user("owner")
    profile = Profile.objects.create(
        owner=owner, slug="ada", display_name="Ada", visibility="public"
    )
    stay = [Skill.objects.create(profile=profile, name=f"s{n}", position=n % 7) for n in range(60)]
    go = [Skill.objects.create(profile=profile, name=f"g{n}", position=n % 7) for n in range(60)]

    def write():
        for n, each in enumerate(go):
            each.delete()
            Skill.objects.create(profile=profile, name=f"n{n}", position=n % 7)

    met, page = [], "/api/v1/profiles/ada/skills?limit=3"
    with meanwhile(write) as writing:
        while page:
            body = client.get(page).json()
            met += [each["id"] for each in body["results"]]
            page = body["next"]
    writing.result()
    assert len(met) == len(set(met))
    assert {str(each.pk) for each in stay} <= set(met)
