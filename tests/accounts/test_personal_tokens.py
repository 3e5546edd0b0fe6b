"""`/api/v1/auth/tokens` and `/api/v1/auth/tokens/{id}`: made, shown once, used, revoked."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from midst.accounts import services
from midst.accounts.models import ApiToken
from tests.accounts.conftest import bearer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]
URL = "/api/v1/auth/tokens"
SCOPES = ["profiles:read", "profiles:write"]


@pytest.fixture
def signed_in(sign_in):
    return sign_in().json()["access"]


@pytest.fixture
def made(post, signed_in):
    return post("/tokens", {"name": "export", "scopes": SCOPES}, signed_in)


def test_the_secret_is_shown_once(client, made, signed_in):
    assert made.status_code == 201
    secret = made.json()["token"]
    assert secret.startswith("midst_")
    shown = client.get(made["Location"], headers=bearer(signed_in))
    listed = client.get(URL, headers=bearer(signed_in))
    assert shown.json() == {k: v for k, v in made.json().items() if k != "token"}
    assert listed.json()["results"] == [shown.json()]
    assert secret not in (shown.content + listed.content).decode()
    assert ApiToken.objects.filter(token_hash=secret).count() == 0


def test_no_token_may_make_or_see_tokens(client, post, made):
    token = made.json()["token"]
    answer = client.get(URL, headers=bearer(token))
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:midst:problem:scope-missing")
    assert post("/tokens", {"name": "x", "scopes": SCOPES}, token).status_code == 403


def test_its_use_is_remembered_to_the_minute(client, made, django_assert_num_queries):
    headers = bearer(made.json()["token"])
    client.get("/api/v1/profiles", headers=headers)
    used = ApiToken.objects.get().last_used_at
    assert used is not None
    with django_assert_num_queries(1):  # the token; the list is in the cache
        client.get("/api/v1/profiles", headers=headers)
    assert ApiToken.objects.get().last_used_at == used


def test_revoked_expired_and_unknown_ones_are_refused(client, made, signed_in, ada):
    client.delete(made["Location"], headers=bearer(signed_in))
    _, old = services.issue_api_token(
        ada, name="old", scopes=SCOPES, expires_at=datetime.now(UTC) - timedelta(seconds=1)
    )
    for token in (made.json()["token"], old, "midst_unknown"):
        assert client.get("/api/v1/profiles", headers=bearer(token)).status_code == 401


def test_revoking_twice_is_fine_and_anothers_is_not_there(client, post, made, signed_in):
    get_user_model().objects.create_user("eve", password="correct horse battery")
    eve = post("/token", {"username": "eve", "password": "correct horse battery"}).json()["access"]
    for method in (client.get, client.delete):
        assert method(made["Location"], headers=bearer(eve)).status_code == 404
    for _ in range(2):
        assert client.delete(made["Location"], headers=bearer(signed_in)).status_code == 204
    assert client.get(f"{URL}/x", headers=bearer(signed_in)).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"scopes": []}, "body.scopes"),
        ({"scopes": ["everything"]}, "body.scopes.0"),
        ({"scopes": ["profiles:write"]}, "body.scopes"),
        ({"name": ""}, "body.name"),
        ({"name": "a\x00b"}, "body.name"),
        ({"name": "x" * 101}, "body.name"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "body.expires_at"),
        ({"expires_at": "2999-01-01T00:00:00Z"}, "body.expires_at"),
        ({"expires_at": "2999-01-01T00:00:00"}, "body.expires_at"),
        ({"other": 1}, "body.other"),
    ],
)
def test_bad_input_is_named(post, signed_in, change, field):
    answer = post("/tokens", {"name": "export", "scopes": SCOPES, **change}, signed_in)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not ApiToken.objects.exists()


def test_staff_can_end_but_not_read_them(admin_client, made, sign_in):
    for model, field in (("apitoken", "revoked_at"), ("session", "ended_at")):
        url = reverse(f"admin:accounts_{model}_changelist")
        page = admin_client.get(url, {"q": "ada"}).content.decode()
        assert "ada" in page
        assert made.json()["token"] not in page
        key = (ApiToken if model == "apitoken" else services.Session).objects.get().pk
        assert admin_client.get(f"{url}{key}/change/").status_code == 200
        admin_client.post(url, {"action": "end", "_selected_action": [str(key)]})
        row = (ApiToken if model == "apitoken" else services.Session).objects.get()
        assert getattr(row, field) is not None


def test_a_revoked_token_is_gone_from_its_address_and_stays_in_the_list(sign_in, client, post):
    access = sign_in().json()["access"]
    made = post("/tokens", {"name": "x", "scopes": ["profiles:read"]}, access)
    headers = bearer(access)
    assert client.get(made["Location"], headers=headers).status_code == 200
    assert client.delete(made["Location"], headers=headers).status_code == 204
    assert client.get(made["Location"], headers=headers).status_code == 404
    (listed,) = client.get("/api/v1/auth/tokens", headers=headers).json()["results"]
    assert listed["revoked_at"] is not None


def test_a_token_that_may_only_write_reads_nothing_by_writing(client, ada):
    """Those of before: a write answers with the whole profile, e-mail and phone included."""
    _, token = services.issue_api_token(
        ada, name="old", scopes=["profiles:write"], expires_at=datetime.now(UTC) + timedelta(days=1)
    )
    answer = client.patch(
        "/api/v1/profiles/ada", {}, content_type="application/json", headers=bearer(token)
    )
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:midst:problem:scope-missing")
    assert "profiles:read" in answer.json()["detail"]


def test_nobody_has_more_than_so_many_tokens(client, post, signed_in, monkeypatch):
    monkeypatch.setattr(services, "MOST_TOKENS", 2)
    made = [post("/tokens", {"name": "x", "scopes": SCOPES}, signed_in) for _ in range(3)]
    assert [answer.status_code for answer in made] == [201, 201, 409]
    client.delete(made[0]["Location"], headers=bearer(signed_in))
    assert post("/tokens", {"name": "x", "scopes": SCOPES}, signed_in).status_code == 201


def test_tokens_outlive_a_new_password_until_all_are_revoked(client, post, made, ada, sign_in):
    token = made.json()["token"]
    ada.set_password("another good one")
    ada.save()
    assert client.get("/api/v1/profiles/me", headers=bearer(token)).status_code == 200
    again = sign_in(password="another good one").json()["access"]
    assert client.delete(URL, headers=bearer(token)).status_code == 403
    assert client.delete(URL, headers=bearer(again)).status_code == 204
    assert client.get("/api/v1/profiles/me", headers=bearer(token)).status_code == 401


def test_staff_ends_everything_of_an_account(admin_client, client, made, signed_in, ada):
    admin_client.post(
        reverse("admin:auth_user_changelist"),
        {"action": "revoke_everything", "_selected_action": [str(ada.pk)]},
    )
    for token in (made.json()["token"], signed_in):
        assert client.get("/api/v1/profiles/me", headers=bearer(token)).status_code == 401
