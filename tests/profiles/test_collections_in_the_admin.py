"""A row's change in the admin locks its profile, so it invalidates the current slug."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection, transaction
from django.db.models.signals import post_delete, post_save
from django.test import Client
from django.urls import reverse

from midst.kernel.cache import signals
from profiles import cache
from profiles.models import Profile, Skill
from tests.telemetry.conftest import wait_for

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def skill():
    owner = get_user_model().objects.create_superuser("ada")
    profile = Profile.objects.create(owner=owner, slug="ada", display_name="Ada")
    return Skill.objects.create(profile=profile, name="Analysis")


@pytest.fixture
def change(skill):
    """Return functions that change the skill, each as another person's browser does it."""

    def post(url, data):
        client = Client()
        client.force_login(skill.profile.owner)
        try:
            assert client.post(url, data).status_code == 302
        finally:
            connection.close()

    def edit():
        url = reverse("admin:profiles_skill_change", args=[skill.pk])
        post(url, {"name": "Synthesis", "position": "0", "level": "3"})

    def delete():
        post(reverse("admin:profiles_skill_delete", args=[skill.pk]), {"post": "yes"})

    def delete_marked():
        marked = {"action": "delete_selected", "_selected_action": [str(skill.pk)], "post": "yes"}
        post(reverse("admin:profiles_skill_changelist"), marked)

    return {"edit": edit, "delete": delete, "delete marked": delete_marked}


def rename(skill, **settings):
    with connection.cursor() as cursor:
        for name, text in settings.items():
            cursor.execute("SELECT set_config(%s, %s, true)", [name, text])
    profile = Profile.objects.get(pk=skill.profile_id)
    profile.slug = "lovelace"
    profile.save()


def is_somebody_waiting():
    with connection.cursor() as cursor:
        # pg_stat_activity shows a transaction the same for all its life.
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted")
        return cursor.fetchone() is not None


@pytest.mark.parametrize("how", ["edit", "delete", "delete marked"])
def test_a_change_waits_for_a_new_slug_and_goes_by_it(skill, change, monkeypatch, how):
    groups = []
    monkeypatch.setattr(signals, "invalidate_on_commit", lambda *found, **_: groups.extend(found))
    with ThreadPoolExecutor(1) as other:
        with transaction.atomic():
            rename(skill)
            changing = other.submit(change[how])
            wait_for(is_somebody_waiting, "the change to wait for the rename")
            groups.clear()
        changing.result(30)
    assert cache.collection_group("skills", "lovelace") in groups
    assert cache.collection_group("skills", "ada") not in groups


@pytest.mark.parametrize("how", ["edit", "delete", "delete marked"])
def test_a_new_slug_waits_for_a_change(skill, change, how):
    refused = []

    def meanwhile(**_):
        with ThreadPoolExecutor(1) as other:
            refused.append(other.submit(try_to_rename).exception(30))

    def try_to_rename():
        try:
            with transaction.atomic():
                rename(skill, lock_timeout="200ms")
        finally:
            connection.close()

    for signal in (post_save, post_delete):
        signal.connect(meanwhile, sender=Skill, weak=False, dispatch_uid="meanwhile")
    try:
        with ThreadPoolExecutor(1) as other:
            other.submit(change[how]).result(60)
    finally:
        for signal in (post_save, post_delete):
            signal.disconnect(sender=Skill, dispatch_uid="meanwhile")
    (error,) = refused
    assert isinstance(error, OperationalError)
    assert "lock timeout" in str(error)
