"""``Idempotency-Key``: a write that is sent again is answered again, and done once.

As draft-ietf-httpapi-idempotency-key-header has it. The answer is stored in the transaction of the
write, so a process that is killed leaves both or neither. Only answers of success (2xx) are stored:
with any other nothing was written, so it may be tried again, and may go well then.

Everything is bound to one transaction (an advisory lock of it, a row), so it holds behind PgBouncer
in transaction mode. ``once`` wraps an endpoint, ``begin`` comes when it is known who asks, and that
they may: a token without the scope gets no stored answer.
"""

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import wraps
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse

from midst.accounts.models import IdempotencyKey
from midst.accounts.secrets import hashed, utc_now
from midst.kernel.problems import ANSWER_NOT_STORED, BAD_KEY, KEY_IN_USE, KEY_REUSED, Problem

REPLAYED = "Idempotency-Replayed"
_KEY = re.compile("[!-~]{1,255}")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_RETRY_AFTER_S = 1

View = Callable[..., HttpResponse]


class Replay(Exception):
    """Ends a request whose write was done before, with the ``response`` that it had then."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__("The request was answered before.")
        self.response = response


@dataclass(slots=True)
class _Attempt:
    """One request with a key. ``transaction`` is the request's, open from ``begin`` on."""

    key: str
    transaction: ExitStack
    row: IdempotencyKey | None = field(default=None)


def once(view: View) -> View:
    """Wrap an endpoint: do a write with a key once, and store its answer with it."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        key = request.META.get("HTTP_IDEMPOTENCY_KEY")
        if key is None or request.method in _SAFE:
            return view(request, *args, **kwargs)
        with ExitStack() as stack:
            attempt = request.idempotency = _Attempt(key, stack)  # type: ignore[attr-defined]
            response = view(request, *args, **kwargs)
            if attempt.row is not None:
                _end(attempt.row, response)
        return response

    return wrapper


def begin(request: HttpRequest, user: Any) -> None:
    """Open the transaction of a write of ``user`` that has a key; nothing without one.

    Raises ``Replay`` for what was done before, and ``Problem``: 400 for a key that is none, 409
    while another request with it is under way, 422 when it was used for another request.
    """
    attempt: _Attempt | None = getattr(request, "idempotency", None)
    if attempt is None:
        return
    if not _KEY.fullmatch(attempt.key):
        raise Problem(BAD_KEY)
    fingerprint = _fingerprint(request)
    attempt.transaction.enter_context(transaction.atomic())
    if not _lock(user.pk, attempt.key):
        raise Problem(KEY_IN_USE, headers={"Retry-After": str(_RETRY_AFTER_S)})
    found = IdempotencyKey.objects.filter(user=user.pk, key=attempt.key).first()
    if found is not None and found.created_at < expired_before():
        found.delete()
    elif found is not None:
        raise Replay(_again(found, fingerprint))
    attempt.row = IdempotencyKey(user_id=user.pk, key=attempt.key, fingerprint=fingerprint)


def expired_before() -> datetime:
    """Return the time before which a key was used that may be used anew."""
    return utc_now() - timedelta(hours=settings.IDEMPOTENCY_HOURS)


def _end(row: IdempotencyKey, response: HttpResponse) -> None:
    """Store a success; undo the rest, which no view may commit without the one who asked for it."""
    if not 200 <= response.status_code < 300:
        transaction.set_rollback(True)
        return
    row.status, row.headers = response.status_code, dict(response.headers.items())
    if len(response.content) <= settings.IDEMPOTENCY_LARGEST_ANSWER:
        row.body = response.content
    row.created_at = utc_now()
    row.save(force_insert=True)


def _again(row: IdempotencyKey, fingerprint: str) -> HttpResponse:
    if row.fingerprint != fingerprint:
        raise Problem(KEY_REUSED)
    if row.body is None:
        raise Problem(ANSWER_NOT_STORED)
    return HttpResponse(
        bytes(row.body), status=row.status, headers={**row.headers, REPLAYED: "true"}
    )


def _fingerprint(request: HttpRequest) -> str:
    """Return a hash of what was asked: method, address and body, byte for byte."""
    digest = sha256(f"{request.method} {request.get_full_path()}\n".encode())
    digest.update(request.body)
    return digest.hexdigest()


def _lock(user: int, key: str) -> bool:
    """Take the key for this transaction; False when another one has it. Never waits.

    Two keys of one hash (64 bits) would be told to come again, no more.
    """
    number = int.from_bytes(bytes.fromhex(hashed(f"{user} {key}"))[:8], signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        (is_ours,) = cursor.fetchone()
    return bool(is_ours)
