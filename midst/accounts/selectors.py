"""Which user a token stands for; one query each."""

from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet
from django.utils.crypto import constant_time_compare

from midst.accounts import secrets
from midst.accounts.models import ApiToken, Session
from midst.accounts.secrets import Access
from midst.kernel import pagination

_TOKEN = (
    "id", "name", "hint", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at",
)  # fmt: skip


def user_of_session(access: Access) -> AbstractBaseUser | None:
    """Return the user of a valid access token, unless its session or the account has ended."""
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
    return session.user if session is not None and has_same_password(session) else None


def has_same_password(session: Session) -> bool:
    """Say whether the password is still the one that the session began with.

    The hash is made with ``SECRET_KEY``; one made with a fallback of it counts as well.
    """
    user: AbstractBaseUser = session.user
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(session.auth_hash, each) for each in hashes)


def api_token(token: str) -> ApiToken | None:
    """Return the personal token with its user, unless it or the account has ended."""
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
    """Return one token of the user's; None when it is revoked: only the list shows those."""
    row: dict[str, Any] | None = _of(user).filter(id=token, revoked_at=None).values(*_TOKEN).first()
    return row


def _of(user: Any) -> QuerySet[ApiToken]:
    return ApiToken.objects.filter(user=user)
