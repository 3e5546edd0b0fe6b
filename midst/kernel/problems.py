"""What goes wrong, as RFC 9457 names it; raised anywhere below the API, answered by it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import msgspec
from django.db import IntegrityError, InterfaceError, InternalError, OperationalError, transaction
from psycopg import errors
from psycopg_pool import PoolTimeout


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one part of the input; ``field`` like ``body.slug``."""

    field: str
    message: str


class Type(NamedTuple):
    """A kind of problem. ``name`` makes its URI, ``meaning`` stands in the API's document."""

    name: str
    status: int
    title: str
    meaning: str

    @property
    def uri(self) -> str:
        return f"urn:midst:problem:{self.name}"


INVALID = Type("invalid", 422, "Not valid", "Each entry of `errors` names a field and its mistake.")
MALFORMED = Type(
    "malformed", 400, "Not JSON", "The body can't be read as JSON, or in more than one way."
)
UNAUTHENTICATED = Type(
    "unauthenticated", 401, "Not signed in", "No credentials, or none that are good (any more)."
)
SCOPE_MISSING = Type("scope-missing", 403, "Scope missing", "The token was not given this scope.")
NOT_YOURS = Type("not-yours", 403, "Not yours", "You may see this, but not change it.")
NOT_FOUND = Type("not-found", 404, "Not found", "It is not there, or not to be known to you.")
CONFLICT = Type("conflict", 409, "Conflict", "The present state does not allow it; `detail` why.")
CHANGED = Type("changed", 412, "Changed meanwhile", "It is not what `If-Match` names: read again.")
TOO_LARGE = Type("too-large", 413, "Too large", "The body is larger than the server takes.")
WRONG_TYPE = Type("wrong-type", 415, "Wrong type", "Send `Content-Type: application/json`.")
RATE_LIMITED = Type("rate-limited", 429, "Too many requests", "Wait for `Retry-After` seconds.")
QUOTA_EXHAUSTED = Type(
    "quota-exhausted", 403, "Quota exhausted", "The plan allows no more of this for now."
)
BAD_KEY = Type(
    "bad-key", 400, "Bad key", "`Idempotency-Key` takes 1 to 255 visible ASCII characters."
)
KEY_IN_USE = Type(
    "key-in-use",
    409,
    "Under way",
    "A request with this `Idempotency-Key` is under way: send it again after `Retry-After`.",
)
KEY_REUSED = Type(
    "key-reused",
    422,
    "Another request",
    "This `Idempotency-Key` was used for a request with another method, address or body.",
)
ANSWER_NOT_STORED = Type(
    "answer-not-stored", 409, "Answer not stored",
    "The request was done before, but its answer was too large to store: read what it wrote.",
)  # fmt: skip
UNAVAILABLE = Type(
    "unavailable", 503, "Not available", "The database can't do it now, `detail` why; try again."
)

TYPES = (
    INVALID, MALFORMED, UNAUTHENTICATED, SCOPE_MISSING, NOT_YOURS, NOT_FOUND, CONFLICT, CHANGED,
    TOO_LARGE, WRONG_TYPE, RATE_LIMITED, QUOTA_EXHAUSTED, BAD_KEY, KEY_IN_USE, KEY_REUSED,
    ANSWER_NOT_STORED, UNAVAILABLE,
)  # fmt: skip


# What PostgreSQL or the pool says, and what that means to a client. The first that fits.
_REASONS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    (
        (errors.DeadlockDetected, errors.SerializationFailure),
        "Others wrote to the same rows at the same time; nothing was written. Try again.",
    ),
    ((errors.LockNotAvailable,), "Others hold these rows for long; nothing was written."),
    (
        (errors.QueryCanceled, errors.IdleInTransactionSessionTimeout),
        "It took longer than a request may; nothing was written.",
    ),
    ((errors.ReadOnlySqlTransaction,), "The database takes no writes at the moment."),
    (
        (PoolTimeout, errors.TooManyConnections),
        "All connections to the database are taken; try again soon.",
    ),
    ((errors.DiskFull, errors.OutOfMemory), "The database has no room for it."),
)
_AWAY = "The database is away; try again soon."


def is_worth_a_second_try(error: Exception) -> bool:
    """Say whether PostgreSQL ended a transaction for the sake of another one."""
    return isinstance(error.__cause__, errors.DeadlockDetected | errors.SerializationFailure)


def why_unavailable(error: Exception) -> str | None:
    """Return what a client is told of an ``error`` of the database; None for a mistake of ours."""
    for kinds, reason in _REASONS:
        if isinstance(error.__cause__, kinds):
            return reason
    # Without a code it is psycopg's own: a pool that lost its server amid a COMMIT says two things.
    is_psycopgs = isinstance(error, InternalError) and not getattr(error.__cause__, "sqlstate", "")
    return _AWAY if is_psycopgs or isinstance(error, OperationalError | InterfaceError) else None


class Problem(Exception):
    """Ends a request with an answer of ``type``; ``detail`` is for the client to read."""

    def __init__(
        self,
        kind: Type,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or kind.meaning)
        self.kind = kind
        self.detail = detail or kind.meaning
        self.errors = errors
        self.headers = headers or {}


def invalid(field: str, message: str) -> Problem:
    """Return the problem of one field, like ``body.slug``."""
    return Problem(
        INVALID, "The request is not valid: see errors.", errors=[FieldError(field, message)]
    )


@contextmanager
def conflicts(messages: Mapping[str, str]) -> Iterator[None]:
    """Turn a broken constraint (the keys, by name) into a 409 with its message.

    Opens a savepoint, so that the transaction around it can go on.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
        message = messages.get(name or "")
        if message is None:
            raise
        raise Problem(CONFLICT, message) from error
