"""What Django tells of sign-ins and accounts, for the audit log."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import m2m_changed, post_save, pre_save
from django.dispatch import receiver
from django.http import HttpRequest

from midst.accounts import audit, throttle
from midst.accounts.audit import Event

_User = get_user_model()
_WATCHED = ("is_active", "is_staff", "is_superuser")


@receiver(user_logged_in)
def signed_in(sender: Any, request: HttpRequest | None, user: Any, **_: Any) -> None:
    """By session cookie; the API calls the services, which do the same."""
    if request is not None:
        throttle.login_succeeded(request, user.get_username())
    audit.record(Event.SIGN_IN, request, actor=user)


@receiver(user_logged_out)
def signed_out(sender: Any, request: HttpRequest | None, user: Any, **_: Any) -> None:
    if user is not None:
        audit.record(Event.SIGN_OUT, request, actor=user)


@receiver(user_login_failed)
def failed(
    sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any
) -> None:
    """Names of no account are left out: people type passwords there by mistake."""
    name = str(credentials.get(_User.USERNAME_FIELD, ""))
    known = "\x00" not in name and _User.objects.filter(username=name).exists()
    audit.record(Event.SIGN_IN_FAILED, request, subject=name if known else "", account=known)


@receiver(pre_save, sender=_User)
def remember(sender: Any, instance: Any, update_fields: Any = None, **_: Any) -> None:
    """A sign-in saves ``last_login`` alone, and a new user has no row: nothing to compare then."""
    instance._audited = None
    if instance.pk is None:
        return
    if update_fields is None or {*_WATCHED, "password"} & set(update_fields):
        rows = _User.objects.filter(pk=instance.pk)
        instance._audited = rows.values(*_WATCHED, "password").first()


@receiver(post_save, sender=_User)
def changed(sender: Any, instance: Any, created: bool, **_: Any) -> None:
    before = instance._audited
    if created:
        before = {"is_active": True, "is_staff": False, "is_superuser": False}
    if before is None:
        return
    if not created and before["password"] != instance.password:
        audit.record(Event.PASSWORD_CHANGED, subject=instance.get_username())
    now = {name: getattr(instance, name) for name in _WATCHED}
    different = {name: value for name, value in now.items() if before[name] != value}
    if different:
        audit.record(Event.ACCOUNT_CHANGED, subject=instance.get_username(), **different)


def permissions_changed(sender: Any, instance: Any, action: str, pk_set: Any, **_: Any) -> None:
    """Of a user or a group, from either side of the relation."""
    if action in {"post_add", "post_remove", "post_clear"}:
        audit.record(
            Event.PERMISSIONS_CHANGED,
            subject=str(instance),
            relation=sender._meta.label,
            action=action.removeprefix("post_"),
            keys=sorted(pk_set or ()),
        )


for _relation in (_User.groups.through, _User.user_permissions.through, Group.permissions.through):
    m2m_changed.connect(
        permissions_changed, sender=_relation, dispatch_uid=f"audit:{_relation._meta.label}"
    )
