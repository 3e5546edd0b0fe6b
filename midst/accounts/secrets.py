"""Tokens: random ones, stored as hashes, and signed ones, not stored at all."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

import jwt
from django.conf import settings

API_TOKEN_PREFIX = "midst_"  # noqa: S105 -- how a token begins, for secret scanners to know it by
HINT_LENGTH = len(API_TOKEN_PREFIX) + 4
_BYTES = 32
_ISSUER = "midst"
_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class Access:
    """What an access token says: its session and user (None in tokens of older versions)."""

    session: UUID
    user: int | None = None


def random_token(prefix: str = "") -> str:
    return prefix + secrets.token_urlsafe(_BYTES)


def hashed(token: str) -> str:
    """SHA-256; passwords need a slow hash, 256 random bits do not."""
    return sha256(token.encode()).hexdigest()


def sign_access(session: UUID, user: int, *, now: datetime) -> str:
    """Return a JWT (RFC 7519) that is valid for ``ACCESS_TOKEN_S`` seconds."""
    issued = int(now.timestamp())
    claims = {
        "iss": _ISSUER,
        "sid": str(session),
        "sub": str(user),
        "iat": issued,
        "exp": issued + settings.ACCESS_TOKEN_S,
    }
    return jwt.encode(claims, settings.TOKEN_SIGNING_KEY, algorithm=_ALGORITHM)


def read_access(token: str) -> Access | None:
    """Return what a token of ours says; None for a forged, expired or foreign one.

    Tokens that ``TOKEN_SIGNING_KEY_FALLBACKS`` signed count as ours.
    """
    keys = [settings.TOKEN_SIGNING_KEY, *settings.TOKEN_SIGNING_KEY_FALLBACKS]
    return next((found for key in keys if (found := _read(token, key)) is not None), None)


def _read(token: str, key: str) -> Access | None:
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],
            issuer=_ISSUER,
            options={"require": ["exp", "iss", "sid"]},
        )
        return Access(UUID(claims["sid"]), int(claims["sub"]) if "sub" in claims else None)
    except (jwt.InvalidTokenError, ValueError, AttributeError, TypeError):
        return None


def utc_now() -> datetime:
    return datetime.now(UTC)
