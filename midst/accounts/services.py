"""Signing in and out, and the life of tokens."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.password_validation import validate_password
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest

from midst.accounts import secrets, throttle
from midst.accounts.models import ApiToken, RefreshToken, Session
from midst.kernel.problems import UNAUTHENTICATED, Problem

SESSION_LIFE = timedelta(days=30)
# The row of a token is written at most this often.
_LAST_USED_STEP = timedelta(minutes=1)
# Ended sessions are kept this long, for whoever asks what happened.
_KEPT_AFTER_END = timedelta(days=7)


class Tokens(NamedTuple):
    """What a client gets when it signs in; the access token ends after ``access_expires_in`` s."""

    access: str
    access_expires_in: int
    refresh: str
    refresh_expires_at: datetime


def sign_in(request: HttpRequest, *, username: str, password: str) -> Tokens:
    """Return tokens for a new session. Raises ``Problem``: 401 for wrong credentials, whatever is
    wrong with them, and 429 after too many attempts.

    Django hashes a password for unknown accounts as well, so time tells nothing either.
    """
    throttle.require_login_attempt(request, username)
    user = authenticate(request, username=username, password=password)
    if user is None:
        raise Problem(UNAUTHENTICATED, "Username or password is wrong.")
    return _start_session(user)


def refresh(token: str) -> Tokens:
    """Exchange a refresh token for new tokens. Raises ``Problem`` (401).

    Each is good once. One that comes twice was stolen from somebody, we can't know from whom:
    its whole session ends.
    """
    now = secrets.utc_now()
    row = (
        RefreshToken.objects.filter(token_hash=secrets.hashed(token))
        .select_related("session__user")
        .first()
    )
    if row is None or not _is_good(row.session, now):
        raise _refused()
    with transaction.atomic():
        # Whoever sets used_at first has it: two at once can't both go on.
        if RefreshToken.objects.filter(pk=row.pk, used_at=None).update(used_at=now):
            return _issue(row.session, now)
    _end(row.session, Session.End.REUSE, now)
    raise _refused()


def sign_out(token: str) -> None:
    """End the session of a refresh token; silent about unknown ones (RFC 7009, 2.2)."""
    row = RefreshToken.objects.filter(token_hash=secrets.hashed(token)).select_related("session")
    for found in row:
        _end(found.session, Session.End.SIGNED_OUT, secrets.utc_now())


def issue_api_token(
    user: Any, *, name: str, scopes: list[str], expires_at: datetime
) -> tuple[ApiToken, str]:
    """Make a personal token; the second value is the secret, which nobody can show again."""
    secret = secrets.random_token(secrets.API_TOKEN_PREFIX)
    token = ApiToken.objects.create(
        user=user,
        name=name,
        hint=secret[: secrets.HINT_LENGTH],
        token_hash=secrets.hashed(secret),
        scopes=scopes,
        expires_at=expires_at,
    )
    return token, secret


def revoke_api_token(user: Any, token: UUID) -> bool:
    """End a personal token of the user's; False when there is none."""
    found = ApiToken.objects.filter(user=user, id=token)
    return bool(found.filter(revoked_at=None).update(revoked_at=secrets.utc_now())) or (
        found.exists()
    )


def note_use(token: ApiToken) -> None:
    """Remember that the token was used, to the minute."""
    now = secrets.utc_now()
    if token.last_used_at is None or now - token.last_used_at > _LAST_USED_STEP:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _LAST_USED_STEP)
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)


def create_account(
    *, username: str, password: str, email: str = "", staff: bool = False
) -> AbstractBaseUser:
    """Make an account. Raises Django's ``ValidationError`` for a bad name, password or address."""
    model = get_user_model()
    user = model(username=model.normalize_username(username), email=email, is_staff=staff)
    validate_password(password, user)
    user.set_password(password)
    user.full_clean()
    user.save()
    return user


def clear_expired() -> int:
    """Delete sessions that have been over for a week; return how many."""
    before = secrets.utc_now() - _KEPT_AFTER_END
    over = Session.objects.filter(Q(expires_at__lt=before) | Q(ended_at__lt=before))
    _, deleted = over.delete()
    return deleted.get("accounts.Session", 0)


def _start_session(user: AbstractBaseUser) -> Tokens:
    now = secrets.utc_now()
    with transaction.atomic():
        session = Session.objects.create(
            user_id=user.pk,
            auth_hash=user.get_session_auth_hash(),
            expires_at=now + SESSION_LIFE,
        )
        return _issue(session, now)


def _issue(session: Session, now: datetime) -> Tokens:
    token = secrets.random_token()
    RefreshToken.objects.create(session=session, token_hash=secrets.hashed(token))
    return Tokens(
        secrets.sign_access(session.pk, now=now), secrets.ACCESS_S, token, session.expires_at
    )


def _is_good(session: Session, now: datetime) -> bool:
    return (
        session.ended_at is None
        and session.expires_at > now
        and session.user.is_active
        and session.auth_hash == session.user.get_session_auth_hash()
    )


def _end(session: Session, because: Session.End, now: datetime) -> None:
    Session.objects.filter(pk=session.pk, ended_at=None).update(ended_at=now, ended_because=because)


def _refused() -> Problem:
    return Problem(UNAUTHENTICATED, "The refresh token is not good (any more): sign in again.")
