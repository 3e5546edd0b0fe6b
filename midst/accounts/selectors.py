"""Whom a token stands for; each is one query, and none for what can't be a token of ours."""

from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet
from django.utils.crypto import constant_time_compare

from midst.accounts import secrets
from midst.accounts.models import ApiToken, Session
from midst.kernel import pagination

_TOKEN = (
    "id", "name", "hint", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at",
)  # fmt: skip


def user_of_session(token: str) -> AbstractBaseUser | None:
    """Return the user of an access token, unless it, its session or the account has ended."""
    access = secrets.read_access(token)
    if access is None:
        return None
    session = (
        Session.objects.filter(
            id=access.session,
            ended_at=None,
            expires_at__gt=secrets.utc_now(),
            user__is_active=True,
        )
        .select_related("user")
        .first()
    )
    if session is None:
        return None
    same = constant_time_compare(session.auth_hash, session.user.get_session_auth_hash())
    return session.user if same else None


def api_token(token: str) -> ApiToken | None:
    """Return the personal token with its user, unless it or the account has ended."""
    if not token.startswith(secrets.API_TOKEN_PREFIX):
        return None
    return (
        ApiToken.objects.filter(
            token_hash=secrets.hashed(token),
            revoked_at=None,
            expires_at__gt=secrets.utc_now(),
            user__is_active=True,
        )
        .select_related("user")
        .first()
    )


def api_tokens(user: Any, *, path: str, limit: int, cursor: str) -> bytes:
    """Return a page of the user's tokens, newest first; revoked ones too."""
    page = pagination.page(_of(user).values(*_TOKEN), limit=limit, cursor=cursor)
    return pagination.encode(page, path=path, limit=limit)


def api_token_row(user: Any, token: UUID) -> dict[str, Any] | None:
    """Return one token of the user's; None when it is revoked: only the list remembers it."""
    row: dict[str, Any] | None = _of(user).filter(id=token, revoked_at=None).values(*_TOKEN).first()
    return row


def _of(user: Any) -> QuerySet[ApiToken]:
    return ApiToken.objects.filter(user=user)
