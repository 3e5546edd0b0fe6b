"""Signing in and out, and the life of tokens."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.password_validation import validate_password
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from midst.accounts import audit, idempotency, secrets, selectors, throttle
from midst.accounts.audit import Event
from midst.accounts.models import ApiToken, IdempotencyKey, RefreshToken, Session
from midst.kernel.problems import CONFLICT, UNAUTHENTICATED, Problem

SESSION_LIFE = timedelta(days=30)
# Two tabs that refresh at once send the same token twice: within this time that is no theft.
REFRESH_GRACE = timedelta(seconds=10)
MOST_TOKENS = 50
MOST_SESSIONS = 100
# The row of a token is written at most this often.
_LAST_USED_STEP = timedelta(minutes=1)
# Ended sessions are kept this long, so that staff can see why they ended.
_KEPT_AFTER_END = timedelta(days=7)
# Rows deleted by one statement: each batch commits, so a time limit loses one at most.
_BATCH = 1000


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
    throttle.login_succeeded(request, username)
    audit.record(Event.SIGN_IN, request, actor=user)
    return start_session(user)


def refresh(request: HttpRequest, token: str) -> Tokens:
    """Exchange a refresh token for new tokens. Raises ``Problem``: 401, 429.

    Each is valid once. One that comes again after ``REFRESH_GRACE`` was stolen, from this client
    or by it: its whole session ends.
    """
    throttle.require_exchange(request)
    now = secrets.utc_now()
    row = (
        RefreshToken.objects.filter(token_hash=secrets.hashed(token))
        .select_related("session__user")
        .first()
    )
    if row is None or not _is_valid(row.session, now):
        raise _refused()
    with transaction.atomic():
        # Of several at once the first sets used_at; the others wait here, and read it below.
        first = RefreshToken.objects.filter(pk=row.pk, used_at=None).update(used_at=now)
        if not first:
            row.refresh_from_db(fields=["used_at"])
        if first or (row.used_at is not None and now - row.used_at <= REFRESH_GRACE):
            return _issue(row.session, now)
    _end(row.session, Session.End.REUSE, now)
    audit.record(Event.TOKEN_REUSED, request, actor=row.session.user)
    raise _refused()


def sign_out(request: HttpRequest, token: str) -> None:
    """End the session of a refresh token; silent about unknown ones (RFC 7009, 2.2).

    Raises ``Problem`` (429).
    """
    throttle.require_exchange(request)
    row = RefreshToken.objects.filter(token_hash=secrets.hashed(token)).select_related("session")
    for found in row:
        _end(found.session, Session.End.SIGNED_OUT, secrets.utc_now())


def issue_api_token(
    user: Any, *, name: str, scopes: list[str], expires_at: datetime
) -> tuple[ApiToken, str]:
    """Make a personal token; the second value is the secret, which nobody can show again.

    Raises ``Problem`` (409) when the user has ``MOST_TOKENS`` that are valid.
    """
    secret = secrets.random_token(secrets.API_TOKEN_PREFIX)
    with transaction.atomic():
        # One at a time for each user: two at once would both see room for one more.
        get_user_model().objects.select_for_update(no_key=True).get(pk=user.pk)
        valid = ApiToken.objects.filter(
            user=user, revoked_at=None, expires_at__gt=secrets.utc_now()
        )
        if valid.count() >= MOST_TOKENS:
            raise Problem(CONFLICT, f"You have {MOST_TOKENS} valid tokens: revoke one first.")
        token = ApiToken.objects.create(
            user=user,
            name=name,
            hint=secret[: secrets.HINT_LENGTH],
            token_hash=secrets.hashed(secret),
            scopes=scopes,
            expires_at=expires_at,
        )
    return token, secret


def revoke_all(user: Any) -> tuple[int, int]:
    """End all sessions and personal tokens of the user; return how many of each."""
    now = secrets.utc_now()
    sessions = Session.objects.filter(user=user, ended_at=None).update(
        ended_at=now, ended_because=Session.End.SIGNED_OUT
    )
    return sessions, revoke_all_api_tokens(user)


def revoke_all_api_tokens(user: Any) -> int:
    """End all personal tokens of the user; return how many were valid until now."""
    valid = ApiToken.objects.filter(user=user, revoked_at=None)
    return valid.update(revoked_at=secrets.utc_now())


def revoke_api_token(user: Any, token: UUID) -> bool:
    """End a personal token of the user's; False when there is none."""
    found = ApiToken.objects.filter(user=user, id=token)
    return bool(found.filter(revoked_at=None).update(revoked_at=secrets.utc_now())) or (
        found.exists()
    )


def note_use(token: ApiToken) -> None:
    """Store that the token was used, to the minute."""
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
    """Delete sessions that have been over for a week and expired keys; return how many.

    In batches that commit on their own, each found through an index.
    """
    before = secrets.utc_now() - _KEPT_AFTER_END
    return sum(
        _delete_in_batches(over)
        for over in (
            Session.objects.filter(expires_at__lt=before).order_by("expires_at"),
            Session.objects.filter(ended_at__lt=before).order_by("ended_at"),
            IdempotencyKey.objects.filter(created_at__lt=idempotency.expired_before()).order_by(
                "created_at"
            ),
        )
    )


def _delete_in_batches(over: QuerySet[Any]) -> int:
    deleted = 0
    while batch := list(over.values_list("pk", flat=True)[:_BATCH]):
        over.model._default_manager.filter(pk__in=batch).delete()
        deleted += len(batch)
    return deleted


def start_session(user: Any) -> Tokens:
    """Sign ``user`` in; the oldest sessions beyond ``MOST_SESSIONS`` end."""
    now = secrets.utc_now()
    with transaction.atomic():
        session = Session.objects.create(
            user_id=user.pk,
            auth_hash=user.get_session_auth_hash(),
            expires_at=now + SESSION_LIFE,
        )
        running = Session.objects.filter(user_id=user.pk, ended_at=None).order_by("-id")
        Session.objects.filter(
            pk__in=list(running.values_list("pk", flat=True)[MOST_SESSIONS:])
        ).update(ended_at=now, ended_because=Session.End.TOO_MANY)
        return _issue(session, now)


def _issue(session: Session, now: datetime) -> Tokens:
    token = secrets.random_token()
    RefreshToken.objects.create(session=session, token_hash=secrets.hashed(token))
    return Tokens(
        secrets.sign_access(session.pk, session.user_id, now=now),
        settings.ACCESS_TOKEN_S,
        token,
        session.expires_at,
    )


def _is_valid(session: Session, now: datetime) -> bool:
    return (
        session.ended_at is None
        and session.expires_at > now
        and session.user.is_active
        and selectors.has_same_password(session)
    )


def _end(session: Session, because: Session.End, now: datetime) -> None:
    Session.objects.filter(pk=session.pk, ended_at=None).update(ended_at=now, ended_because=because)


def _refused() -> Problem:
    return Problem(UNAUTHENTICATED, "The refresh token is not valid: sign in again.")
