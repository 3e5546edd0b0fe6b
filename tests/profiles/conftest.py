"""Three people: who owns, who works here, and a stranger who must have no access."""

import pytest
from django.contrib.auth import get_user_model

from profiles.models import Profile
from tests.world import commit, grant_all


def person(name, **options):
    return get_user_model().objects.create_user(username=name, password="secret", **options)


@pytest.fixture
def owner(db):
    return person("owner")


@pytest.fixture
def staff(db):
    return grant_all(person("staff", is_staff=True))


@pytest.fixture
def stranger(db):
    return person("stranger")


@pytest.fixture
def make_profile(owner):
    def make(slug="ada", **fields):
        profile = Profile.objects.create(
            **{
                "owner": owner,
                "slug": slug,
                "display_name": "Ada",
                "email": "ada@example.com",
                "visibility": "public",
                **fields,
            }
        )
        commit()
        return profile

    return make
