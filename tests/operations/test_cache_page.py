"""The cache's page: whole in every state, and clearing is a right of its own."""

import os
import signal
from dataclasses import replace

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from midst.kernel import redis
from midst.kernel.cache import Outcome, read, versions
from midst.operations import panels
from midst.operations.cache_page import clearing, clearings
from midst.telemetry import metrics

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey", "things")]
PAGE, CLEAR = "/admin/cache/", "/admin/cache/clear/"


def keep(kind, key):
    return read(kind, key, compute=lambda: b"body").outcome


def someone(*permissions):
    user = User.objects.create_user("someone", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def test_it_shows_redis_and_every_kind(admin_client, things, django_assert_num_queries):
    keep(things[0], "thing:1")
    admin_client.get(PAGE)
    # Session and user: all else comes from Redis and the metrics.
    with django_assert_num_queries(2):
        page = admin_client.get(PAGE).content.decode()
    for part in (
        "healthy", "Valkey 9", "things", "1 minute", "others", "1 hour", "Evicted",
        "volatile-lru", "Keys are counted", "must stay 0",
    ):  # fmt: skip
        assert part in page
    assert "<script>" not in page


def test_the_index_links_to_it_and_the_names_in_the_urls_stay(admin_client, client):
    assert (reverse("admin:cache"), reverse("admin:cache_clear")) == (PAGE, CLEAR)
    assert f'href="{PAGE}"' in admin_client.get("/admin/").content.decode()
    client.force_login(someone())
    assert f'href="{PAGE}"' not in client.get("/admin/").content.decode()


@pytest.mark.parametrize("fault", [signal.SIGSTOP, signal.SIGKILL])
def test_without_redis_it_says_so_and_stays_whole(admin_client, valkey, fault):
    os.kill(valkey.pid, fault)
    answer = admin_client.get(PAGE)
    page = answer.content.decode()
    assert answer.status_code == 200
    for part in ("Redis is not available", "Keys and memory are unknown", "things", "Clear"):
        assert part in page


def test_a_degraded_process_says_what_answers_meanwhile(admin_client, monkeypatch):
    monkeypatch.setattr("midst.kernel.cache.circuit.is_open", lambda: True)
    page = admin_client.get(PAGE).content.decode()
    assert "degraded" in page
    assert "answers come from the database: they are current" in page


def test_a_stale_answer_and_a_server_without_bound_stand_out(admin_client):
    metrics.CACHE_STALE.labels("things").inc()
    redis.client().config_set("maxmemory", 0)
    page = admin_client.get(PAGE).content.decode()
    assert "stale</span>" in page
    assert "maxmemory is not set" in page


def test_an_estimate_is_called_one(admin_client, monkeypatch):
    monkeypatch.setattr("midst.operations.cache_page.overview._STEPS", 1)
    monkeypatch.setattr("midst.operations.cache_page.overview.STEP_KEYS", 10)
    pipeline = redis.client().pipeline()
    for number in range(1000):
        pipeline.set(f"key:{number}", 1)
    pipeline.execute()
    assert "of 1,000 keys" in admin_client.get(PAGE).content.decode()


def test_clearing_a_region_asks_first_and_is_noted(admin_client, admin_user, things):
    keep(things[0], "thing:1")
    page = admin_client.get(CLEAR, {"region": "things"}).content.decode()
    assert "csrfmiddlewaretoken" in page
    assert keep(things[0], "thing:1") is Outcome.HIT
    page = admin_client.post(CLEAR, {"region": "things"}, follow=True).content.decode()
    assert "region things is invalid" in page
    assert keep(things[0], "thing:1") is Outcome.MISS
    noted = LogEntry.objects.get()
    assert (noted.user, noted.object_repr) == (admin_user, "things")
    assert "region things is invalid" in noted.change_message
    assert "things" in admin_client.get("/admin/").content.decode()


def test_deleting_by_pattern_asks_first_and_is_noted(admin_client, things):
    keep(things[0], "thing:1")
    keep(things[0], "thing:2")
    assert "thing:1*" in admin_client.get(CLEAR, {"pattern": "thing:1*"}).content.decode()
    page = admin_client.post(CLEAR, {"pattern": "thing:1*"}, follow=True).content.decode()
    assert "Deleted 1 cached answers that match thing:1*." in page
    assert keep(things[0], "thing:2") is Outcome.HIT
    assert LogEntry.objects.get().object_repr == "thing:1*"


def test_a_long_deletion_is_gone_on_with(admin_client, things, monkeypatch):
    monkeypatch.setattr(clearing, "_BATCH_KEYS", 1)
    monkeypatch.setattr(clearing, "STEP_KEYS", 10)
    for number in range(100):
        keep(things[0], f"thing:{number}")
    answer = admin_client.post(CLEAR, {"pattern": "thing:*"})
    goes = 1
    while answer["Location"] != PAGE:
        page = admin_client.get(answer["Location"])
        assert "Continue" in page.content.decode()
        cursor = page.context["cursor"]
        answer = admin_client.post(CLEAR, {"pattern": "thing:*", "cursor": cursor})
        goes += 1
    assert goes > 1
    assert keep(things[0], "thing:99") is Outcome.MISS


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({}, "Give either a region or a pattern."),
        ({"region": "things", "pattern": "thing:*"}, "Give either a region or a pattern."),
        ({"region": "nothing"}, "Select a valid choice"),
        ({"pattern": "profil:1"}, "No key begins with"),
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_what_makes_no_sense_is_refused_with_the_reason(admin_client, form, says, method):
    page = getattr(admin_client, method)(CLEAR, form, follow=True).content.decode()
    assert says in page
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("form", [{"region": "things"}, {"pattern": "thing:*"}])
def test_clearing_without_redis_says_so(admin_client, things, valkey, form):
    keep(things[0], "thing:1")
    os.kill(valkey.pid, signal.SIGKILL)
    page = admin_client.post(CLEAR, form, follow=True).content.decode()
    assert "Redis is not available" in page
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("permissions", "allowed"),
    [((), set()), (("view_cache",), {"see"}), (("clear_cache",), {"see", "ask", "clear"})],
)
def test_seeing_and_clearing_are_separate_rights(client, permissions, allowed):
    client.force_login(someone(*permissions))
    answers = {
        "see": client.get(PAGE),
        "ask": client.get(CLEAR, {"region": "things"}),
        "clear": client.post(CLEAR, {"region": "things"}),
    }
    assert {name for name, answer in answers.items() if answer.status_code != 403} == allowed
    if "see" in allowed:
        assert (CLEAR in answers["see"].content.decode()) is ("clear" in allowed)


@pytest.mark.parametrize(
    ("role", "statuses"),
    [("viewer", (200, 403)), ("operator", (200, 403)), ("administrator", (200, 200))],
)
def test_roles_see_the_page_and_administrators_clear(client, role, statuses):
    user = someone()
    user.groups.add(Group.objects.get(name=f"performance {role}"))
    client.force_login(user)
    asked = client.get(CLEAR, {"region": "things"})
    assert (client.get(PAGE).status_code, asked.status_code) == statuses
    assert panels.panels(client.get(PAGE).wsgi_request)[0]["url"] == PAGE


def test_who_is_not_logged_in_sees_nothing(client):
    assert {client.get(PAGE).status_code, client.post(CLEAR).status_code} == {302}


def test_a_form_of_another_site_clears_nothing(admin_user):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)
    assert strict.post(CLEAR, {"region": "things"}).status_code == 403


def test_a_cache_that_was_flushed_is_cold(admin_client, things):
    """Nobody of ours did it, and nobody noted it."""
    keep(things[0], "thing:1")
    client = redis.client()
    client.flushall()
    try:
        assert keep(things[0], "thing:1") is Outcome.MISS
        (flushed,) = clearings.recent()
        assert (flushed.what, flushed.by) == ("everything", "FLUSHALL")
        assert flushed.age_s < clearings.COLD_S
        assert "FLUSHALL cleared everything" in admin_client.get(PAGE).content.decode()
        assert panels.panels(None)[0]["text"] == "cold, FLUSHALL cleared everything"
        # An hour later it says nothing new, and costs no statistics of all commands.
        version = versions.version_key(versions.ALL)
        client.expire(version, client.ttl(version) - 3601)
        before = client.info("commandstats")["cmdstat_info"]["calls"]
        assert clearings.recent() == []
        assert client.info("commandstats")["cmdstat_info"]["calls"] == before + 1
    finally:
        client.config_resetstat()
    assert clearings.recent() == []


def test_who_cleared_what_is_said_on_the_page_and_on_the_overview(admin_client, things):
    assert clearings.recent() == []
    clearing.clear_region(things[0], by="deploy-script")
    page = admin_client.get(PAGE).content.decode()
    for part in ("cold: it is filling again", f"deploy-script cleared {things[0].name}"):
        assert part in page
    cache = panels.panels(None)[0]
    assert (cache["kind"], cache["text"]) == (
        "warning", f"cold, deploy-script cleared {things[0].name}",
    )  # fmt: skip
    long_ago = [replace(each, at=each.at - clearings.COLD_S) for each in clearings.recent()]
    assert clearings.sentences(long_ago) == [
        f"deploy-script cleared {things[0].name} 15 minutes ago."
    ]
