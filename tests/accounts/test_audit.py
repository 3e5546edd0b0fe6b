"""The audit log: what is recorded, of whom, from where; and that it can only be read."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from midst.accounts.models import AuditEvent
from tests.accounts.conftest import PASSWORD, bearer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]
Event = AuditEvent.Event


def events(*kinds):
    rows = AuditEvent.objects.order_by("id")
    return list(rows.filter(event__in=kinds) if kinds else rows)


def test_sign_ins_and_failures_are_recorded_with_the_address(sign_in, ada):
    sign_in(password="wrong")
    sign_in()
    failed, signed_in = events()
    assert (failed.event, failed.actor, failed.subject) == (Event.SIGN_IN_FAILED, None, "ada")
    assert (signed_in.event, signed_in.actor) == (Event.SIGN_IN, ada)
    assert {failed.address, signed_in.address} == {"127.0.0.1"}


def test_what_was_typed_as_the_name_of_no_account_is_not_stored(sign_in):
    sign_in("my password, by mistake", "x")
    sign_in("a\x00b", "x")
    (failed,) = events()
    assert (failed.subject, failed.details) == ("", {"account": False})


def test_the_admin_s_own_sign_in_is_recorded(client, admin_user):
    url = reverse("admin:login")
    client.post(url, {"username": "admin", "password": "wrong"})
    client.post(url, {"username": "admin", "password": "password"})
    client.post(reverse("admin:logout"))
    kinds = [each.event for each in events()]
    assert kinds[-3:] == [Event.SIGN_IN_FAILED, Event.SIGN_IN, Event.SIGN_OUT]


def test_tokens_made_and_revoked_are_recorded_without_the_secret(client, post, sign_in):
    access = sign_in().json()["access"]
    made = post("/tokens", {"name": "x", "scopes": ["profiles:read"]}, access)
    client.delete(made["Location"], headers=bearer(access))
    kept = events(Event.TOKEN_MADE, Event.TOKENS_REVOKED)
    assert [each.actor_name for each in kept] == ["ada", "ada"]
    assert made.json()["token"] not in repr([vars(each) for each in kept])


def test_changes_of_what_an_account_may_do_are_recorded(ada):
    ada.is_staff = True
    ada.save()
    ada.set_password("another one")
    ada.save()
    ada.user_permissions.add(Permission.objects.first())
    group = Group.objects.create(name="editors")
    group.permissions.add(Permission.objects.first())
    ada.groups.add(group)
    ada.groups.clear()
    ada.first_name = "Ada"
    ada.save()
    assert [(each.event, each.subject) for each in events()] == [
        (Event.ACCOUNT_CHANGED, "ada"),
        (Event.PASSWORD_CHANGED, "ada"),
        (Event.PERMISSIONS_CHANGED, "ada"),
        (Event.PERMISSIONS_CHANGED, "editors"),
        (Event.PERMISSIONS_CHANGED, "ada"),
        (Event.PERMISSIONS_CHANGED, "ada"),
    ]
    assert events()[0].details == {"is_staff": True}
    assert PASSWORD not in repr([vars(each) for each in events()])


def test_a_new_member_of_staff_is_recorded(db):
    get_user_model().objects.create_user("plain")
    get_user_model().objects.create_user("boss", is_staff=True)
    assert [each.subject for each in events(Event.ACCOUNT_CHANGED)] == ["boss"]


def test_writes_in_the_admin_are_recorded_with_who_did_them(admin_client, admin_user, ada):
    url = reverse("admin:auth_user_changelist")
    chosen = {"action": "delete_selected", "_selected_action": [str(ada.pk)]}
    admin_client.post(url, chosen)
    assert not events(Event.ADMIN_ACTION)  # It asked for confirmation.
    admin_client.post(url, {**chosen, "post": "yes"})
    (done,) = events(Event.ADMIN_ACTION)
    assert (done.actor, done.subject) == (admin_user, url)
    assert done.details["action"] == "delete_selected"
    assert done.details["selected"] == [str(ada.pk)]


def test_the_log_can_be_read_and_not_written(admin_client, sign_in):
    sign_in()
    (row,) = events(Event.SIGN_IN)[-1:]
    listed = admin_client.get(reverse("admin:accounts_auditevent_changelist"), {"q": "ada"})
    assert "signed in" in listed.content.decode()
    one = reverse("admin:accounts_auditevent_change", args=[row.pk])
    assert admin_client.get(one).status_code == 200
    assert admin_client.post(one, {"event": "sign_out"}).status_code == 403
    delete = reverse("admin:accounts_auditevent_delete", args=[row.pk])
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403


def test_a_null_character_beside_a_good_form_hides_no_write(admin_client, ada):
    url = f"/admin/auth/user/{ada.pk}/delete/"
    answer = admin_client.post(url, {"post": "yes", "action": "\0"})
    assert answer.status_code == 302
    row = AuditEvent.objects.get(event="admin_action")
    assert (row.subject, row.details["action"]) == (url, "\ufffd")
