"""The users of a load run that signs in."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from midst.operations import load_people
from profiles.models import Profile

pytestmark = pytest.mark.django_db


def profile_of(user):
    return Profile.objects.create(owner=user, slug=user.username, display_name="Somebody")


def test_the_users_of_a_run_sign_in_and_go_with_all_they_made(client):
    ada = User.objects.create_user("ada")
    kept = profile_of(ada)
    with load_people.around("mixed", 7) as variables:
        people = json.loads(variables["PEOPLE"])
        users = User.objects.filter(username__in=people["names"])
        assert len(users) == load_people.PEOPLE
        answer = client.post(
            "/api/v1/auth/token",
            {"username": people["names"][3], "password": people["password"]},
            content_type="application/json",
        )
        assert answer.status_code == 200, answer.content
        profile_of(users[3])
    assert list(User.objects.all()) == [ada]
    assert list(Profile.objects.all()) == [kept]


def test_what_a_killed_run_left_goes_with_the_next_one_and_no_run_beside_it_loses_its_users():
    User.objects.create_user("load-run-3-0", date_joined=timezone.now() - timedelta(hours=3))
    beside = User.objects.create_user("load-run-6-0")
    with load_people.around("mixed", 7):
        pass
    assert list(User.objects.all()) == [beside]


def test_a_scenario_that_signs_nobody_in_gets_no_users():
    with load_people.around("smoke", 7) as variables:
        assert not User.objects.exists()
    assert variables == {}
