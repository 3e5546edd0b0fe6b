"""The page of tasks: who lives, who is silent, what to do; and its panel on the overview."""

from time import time

import pytest
from django.contrib.auth.models import Group, User
from django.test import RequestFactory
from django.urls import reverse

from midst.operations import panels
from midst.operations.tasks_page import signs

pytestmark = pytest.mark.django_db
WORKER, BEAT = signs.NAMES


def counted(**ages_s):
    """Return metrics with signs of life of these ages in seconds."""
    return {
        name: {} if ages_s.get(key) is None else {"": time() - ages_s[key]}
        for key, name in (("worker", WORKER), ("beat", BEAT))
    }


@pytest.mark.parametrize(
    ("ages_s", "texts", "silent"),
    [
        ({"worker": 3, "beat": 1}, ["alive 3 seconds ago", "alive 1 second ago"], [False, False]),
        (
            {"worker": 70, "beat": 70},
            ["silent for 70 seconds", "alive 70 seconds ago"],
            [True, False],
        ),
        ({"worker": 7300, "beat": None}, ["silent for 2 hours", "no sign of life"], [True, True]),
    ],
)
def test_silence_is_told_from_life_by_the_age_of_the_last_sign(ages_s, texts, silent):
    found = signs.read(counted(**ages_s))
    assert [each.age_text for each in found] == texts
    assert [each.is_silent for each in found] == silent


def test_a_dead_worker_and_a_dead_beat_are_named_with_what_to_do(admin_client, monkeypatch):
    monkeypatch.setattr(
        "midst.operations.tasks_page.views.totals",
        lambda names, label: {**counted(worker=7300, beat=90_000), "celery_tasks_total": {}},
    )
    page = admin_client.get(reverse("admin:tasks")).content.decode()
    for part in (
        "no worker, no beat", "Worker is silent for 2 hours. Tasks wait", "Beat is silent for",
        "celery -A midst.celery worker", "Waiting in celery", "periodictask/",
    ):  # fmt: skip
        assert part in page, part


def test_its_panel_leads_to_it_for_who_sees_the_overview(client, monkeypatch):
    monkeypatch.setattr(
        panels, "totals", lambda names, label: {name: {} for name in names} | counted(beat=1)
    )
    user = User.objects.create_user("someone", password="x", is_staff=True)
    request = RequestFactory().get("/")
    request.user = user
    client.force_login(user)
    (_, panel) = panels.panels(request)
    assert (panel["text"], panel["kind"], panel["url"]) == ("no worker", "warning", "")
    assert client.get(reverse("admin:tasks")).status_code == 403
    user.groups.add(Group.objects.get(name="performance viewer"))
    request.user = User.objects.get(pk=user.pk)
    assert panels.panels(request)[1]["url"] == reverse("admin:tasks")
    assert client.get(reverse("admin:tasks")).status_code == 200
    assert panels.panels(None)[1]["url"] == ""
