"""`/api/v1/auth/token`, `/api/v1/auth/refresh`, `/api/v1/auth/revoke`: a session's life."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from uuid import uuid4

import jwt
import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection

from midst.accounts import secrets, services
from midst.accounts.models import AuditEvent, RefreshToken, Session
from midst.accounts.tasks import clear_expired
from tests.accounts.conftest import PASSWORD, bearer
from tests.world import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]
# An endpoint for those who are signed in.
MINE = "/api/v1/auth/tokens"


def status(client, token):
    return client.get(MINE, headers=bearer(token)).status_code


def test_an_access_token_opens_what_is_ones_own(client, sign_in):
    answer = sign_in()
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "private, no-store"
    assert answer.json()["token_type"] == "Bearer"
    assert status(client, answer.json()["access"]) == 200
    assert status(client, None) == 401
    assert "Bearer" in client.get(MINE)["WWW-Authenticate"]


def test_no_token_is_stored_as_it_is(sign_in):
    tokens = sign_in().json()
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(t)::text FROM accounts_refreshtoken t")
        kept = "".join(row for (row,) in cursor.fetchall())
    assert secrets.hashed(tokens["refresh"]) in kept
    assert tokens["refresh"] not in kept


def test_wrong_name_and_wrong_password_are_answered_alike(sign_in, ada):
    get_user_model().objects.create_user("gone", password=PASSWORD, is_active=False)
    answers = [sign_in(password="wrong"), sign_in("nobody"), sign_in("gone"), sign_in("a\u0301")]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1


def test_an_unknown_name_costs_the_same_hash(sign_in, settings, monkeypatch):
    """Not a measurement: the same work is done."""
    from django.contrib.auth.hashers import MD5PasswordHasher

    hashed = []
    encode = MD5PasswordHasher.encode
    monkeypatch.setattr(
        MD5PasswordHasher,
        "encode",
        lambda self, password, salt: hashed.append(1) or encode(self, password, salt),
    )
    for name in ("ada", "nobody"):
        sign_in(name, "wrong")
    assert len(hashed) == 2


def later(seconds):
    """As if ``seconds`` had passed since the refresh tokens were used."""
    used = datetime.now(UTC) - timedelta(seconds=seconds)
    RefreshToken.objects.exclude(used_at=None).update(used_at=used)


def test_a_refresh_token_is_good_once_and_its_reuse_ends_the_session(client, post, sign_in):
    first = sign_in().json()
    second = post("/refresh", {"refresh": first["refresh"]})
    assert second.status_code == 200
    assert second.json()["refresh_expires_at"] == first["refresh_expires_at"]
    assert status(client, second.json()["access"]) == 200
    later(services.REFRESH_GRACE.total_seconds() + 1)
    stolen = post("/refresh", {"refresh": first["refresh"]})
    assert stolen.status_code == 401
    assert status(client, second.json()["access"]) == 401
    assert post("/refresh", {"refresh": second.json()["refresh"]}).status_code == 401
    assert Session.objects.get().ended_because == Session.End.REUSE
    assert AuditEvent.objects.filter(event=AuditEvent.Event.TOKEN_REUSED).count() == 1


def test_two_tabs_that_refresh_at_once_both_go_on(client, post, sign_in):
    first = sign_in().json()
    answers = [post("/refresh", {"refresh": first["refresh"]}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    later(60)
    for answer in answers:
        assert status(client, answer.json()["access"]) == 200
        assert post("/refresh", {"refresh": answer.json()["refresh"]}).status_code == 200


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_parallel_refreshes_end_no_session(rf):
    user = get_user_model().objects.create_user("racer", password=PASSWORD)
    token = services.start_session(user).refresh
    outcomes = at_once(lambda: services.refresh(rf.post("/"), token).refresh, 8)
    assert len(set(outcomes)) == 8
    assert Session.objects.get().ended_at is None


def test_signing_out_ends_the_access_token_at_once(client, post, sign_in):
    tokens = sign_in().json()
    assert post("/revoke", {"refresh": tokens["refresh"]}).status_code == 204
    assert status(client, tokens["access"]) == 401
    assert post("/refresh", {"refresh": tokens["refresh"]}).status_code == 401
    assert post("/revoke", {"refresh": "never seen"}).status_code == 204


def test_a_new_password_ends_every_session(client, post, sign_in, ada):
    tokens = sign_in().json()
    ada.set_password("another good one")
    ada.save()
    assert status(client, tokens["access"]) == 401
    assert post("/refresh", {"refresh": tokens["refresh"]}).status_code == 401


def test_an_account_that_is_switched_off_is_out(client, post, sign_in, ada):
    tokens = sign_in().json()
    ada.is_active = False
    ada.save()
    assert status(client, tokens["access"]) == 401
    assert post("/refresh", {"refresh": tokens["refresh"]}).status_code == 401


def test_the_setting_says_for_how_long_an_access_token_is_valid(client, sign_in, settings):
    settings.ACCESS_TOKEN_S = 45
    tokens = sign_in().json()
    claims = jwt.decode(tokens["access"], options={"verify_signature": False})
    assert tokens["access_expires_in"] == claims["exp"] - claims["iat"] == 45


def test_forged_foreign_and_expired_tokens_are_refused(client, sign_in, settings):
    claims = jwt.decode(sign_in().json()["access"], options={"verify_signature": False})
    key = settings.TOKEN_SIGNING_KEY
    past = datetime.now(UTC) - timedelta(minutes=1)
    forged = [
        jwt.encode(claims, "x" * 40, algorithm="HS256"),
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode({**claims, "iss": "other"}, key, algorithm="HS256"),
        jwt.encode({**claims, "exp": past}, key, algorithm="HS256"),
        jwt.encode({**claims, "sid": str(uuid4())}, key, algorithm="HS256"),
        jwt.encode({**claims, "sid": "x"}, key, algorithm="HS256"),
        jwt.encode({"iss": "midst"}, key, algorithm="HS256"),
        "midst_nobody",
        "x.y.z",
    ]
    assert [status(client, token) for token in forged] == [401] * len(forged)
    for header in ("Basic YTpi", "Bearer", "Bearer é", ""):
        asked = client.get(MINE, headers={"Authorization": header})
        assert asked.status_code == 401


def test_old_sessions_are_cleared_and_no_others(sign_in):
    sign_in(), sign_in(), sign_in()
    ended, expired, good = Session.objects.all()
    long_ago = datetime.now(UTC) - timedelta(days=8)
    Session.objects.filter(pk=ended.pk).update(ended_at=long_ago)
    Session.objects.filter(pk=expired.pk).update(expires_at=long_ago)
    clear_expired()
    assert list(Session.objects.all()) == [good]
    assert RefreshToken.objects.count() == 1


def test_an_account_is_made_by_a_command(monkeypatch, post, capsys):
    monkeypatch.setattr("sys.stdin", StringIO(f"{PASSWORD}\n"))
    call_command("create_account", "grace", staff=True, format="json")
    made = {"username": "grace", "email": "", "staff": True}
    assert json.loads(capsys.readouterr().out) == made
    assert get_user_model().objects.get(username="grace").is_staff
    assert post("/token", {"username": "grace", "password": PASSWORD}).status_code == 200
    for name, password in (
        ("grace", PASSWORD),
        ("new", "short"),
        ("new", ""),
        ("bad name", PASSWORD),
    ):
        monkeypatch.setattr("sys.stdin", StringIO(f"{password}\n"))
        with pytest.raises(CommandError, match=r"already exists|too short|no password|valid user"):
            call_command("create_account", name)
    assert get_user_model().objects.count() == 1


def test_production_wants_a_signing_key_of_its_own(monkeypatch):
    from environs import EnvError

    from midst.settings import environment

    monkeypatch.delenv("TOKEN_SIGNING_KEY", raising=False)
    with pytest.raises(EnvError, match="TOKEN_SIGNING_KEY"):
        environment.signing_key("TOKEN_SIGNING_KEY")
    monkeypatch.setenv("TOKEN_SIGNING_KEY", "short")
    with pytest.raises(EnvError, match="32 bytes"):
        environment.signing_key("TOKEN_SIGNING_KEY")


def test_keys_can_be_rotated_without_ending_a_session(client, post, sign_in, settings):
    tokens = sign_in().json()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.TOKEN_SIGNING_KEY_FALLBACKS = [settings.TOKEN_SIGNING_KEY]
    settings.SECRET_KEY, settings.TOKEN_SIGNING_KEY = "new-" + "1" * 40, "new-" + "2" * 40
    assert status(client, tokens["access"]) == 200
    refreshed = post("/refresh", {"refresh": tokens["refresh"]})
    assert refreshed.status_code == 200
    settings.TOKEN_SIGNING_KEY_FALLBACKS = []
    assert status(client, tokens["access"]) == 401
    assert status(client, refreshed.json()["access"]) == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert status(client, refreshed.json()["access"]) == 401


def test_a_token_of_the_last_version_is_valid_until_it_expires(client, sign_in, settings):
    claims = jwt.decode(sign_in().json()["access"], options={"verify_signature": False})
    del claims["sub"]
    assert status(client, jwt.encode(claims, settings.TOKEN_SIGNING_KEY, algorithm="HS256")) == 200


def test_the_oldest_of_too_many_sessions_ends(client, sign_in, monkeypatch):
    monkeypatch.setattr(services, "MOST_SESSIONS", 2)
    first, second, third = (sign_in().json()["access"] for _ in range(3))
    assert [status(client, each) for each in (first, second, third)] == [401, 200, 200]
    assert Session.objects.get(ended_because=Session.End.TOO_MANY)


def test_many_old_sessions_are_deleted_in_batches(ada, monkeypatch):
    monkeypatch.setattr(services, "_BATCH", 2)
    long_ago = datetime.now(UTC) - timedelta(days=40)
    for _ in range(5):
        services.start_session(ada)
    Session.objects.update(expires_at=long_ago)
    assert services.clear_expired() == 5
    assert not Session.objects.exists()


def test_a_sign_in_never_leads_elsewhere(client):
    get_user_model().objects.create_superuser("root", "", PASSWORD)
    there = "/admin/login/?next=//evil.example/"
    answer = client.post(there, {"username": "root", "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
