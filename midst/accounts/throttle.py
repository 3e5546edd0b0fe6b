"""How many sign-ins, token exchanges and requests a client may make."""

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from midst.kernel import ratelimit
from midst.kernel.backoff import Backoff
from midst.kernel.problems import RATE_LIMITED, Problem
from midst.kernel.ratelimit import Limit
from midst.telemetry.request_context import client_address

# Guesses at one account from one address: a delay that grows. Other addresses are not affected, so
# nobody can lock an account that belongs to somebody else.
LOGIN_BY_ACCOUNT = Backoff("login-account", free=5, first_s=1, longest_s=900, forget_s=86_400)
# Failures of one address at whatever accounts.
LOGIN_BY_ADDRESS = Limit("login-address", 50, 600)
# What a provider gives to one customer (RFC 6177).
_IPV6_PREFIX = 64


def require_login_attempt(request: HttpRequest, username: str) -> None:
    """Count an attempt to sign in. Raises ``Problem`` (429) when it comes too early.

    It is counted before the password is checked, so that guesses at the same time gain nothing;
    ``login_succeeded`` takes it back. Names are counted whether there is such an account or not,
    so the answer tells nothing.
    """
    address = client_of(request)
    ratelimit.require(ratelimit.spend(LOGIN_BY_ADDRESS, address))
    wait_s = LOGIN_BY_ACCOUNT.wait_s(_account(username, address))
    if wait_s:
        raise Problem(
            RATE_LIMITED,
            f"Too many attempts to sign in to this account: wait {wait_s} s.",
            headers={"Retry-After": str(wait_s)},
        )


def login_succeeded(request: HttpRequest, username: str) -> None:
    """Forget the failed attempts of this address at this account."""
    address = client_of(request)
    ratelimit.give_back(LOGIN_BY_ADDRESS, address)
    LOGIN_BY_ACCOUNT.forget(_account(username, address))


def require_exchange(request: HttpRequest) -> None:
    """Count the use of a refresh token, before any look-up. Raises ``Problem`` (429)."""
    ratelimit.require(ratelimit.spend(_limit("exchange"), client_of(request)))


def require_few_bad_tokens(request: HttpRequest) -> None:
    """Refuse an address that sent too many unknown tokens, before any look-up.

    Raises ``Problem`` (429).
    """
    ratelimit.require(ratelimit.look(_limit("bad-token"), client_of(request)))


def note_bad_token(request: HttpRequest) -> None:
    """Count an unknown token. Raises ``Problem`` (429)."""
    ratelimit.require(ratelimit.spend(_limit("bad-token"), client_of(request)))


def require_anonymous(request: HttpRequest) -> None:
    """Count a request without credentials, by address. Raises ``Problem`` (429)."""
    request.is_counted_by_address = True  # type: ignore[attr-defined]
    found = anonymous_limit(request.META)
    if found is not None:
        limit, client = found
        _require(request, limit.name, client)


def anonymous_limit(meta: Mapping[str, Any]) -> tuple[Limit, str] | None:
    """Return the limit of a request without credentials, and whom it counts for.

    None where the address is not limited. ``meta`` is as ``HttpRequest.META`` has it.
    """
    address = client_address(meta)
    if _is_exempt(address, tuple(settings.RATE_LIMIT_EXEMPT)):
        return None
    return _limit("address"), _client(address)


def require_user(request: HttpRequest, user: int) -> None:
    """Count a request of a user, with whatever credentials. Raises ``Problem`` (429)."""
    _require(request, "user", str(user))


def require_token(request: HttpRequest, token_hash: str) -> None:
    """Count a request with a personal token, before it is looked up. Raises ``Problem`` (429)."""
    _require(request, "token", token_hash[:32])


def client_of(request: HttpRequest) -> str:
    """Return what limits by address count: an IPv4 address, or the /64 network of an IPv6 one."""
    return _client(client_address(request.META))


@lru_cache(maxsize=4096)
def _client(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, _IPV6_PREFIX), strict=False))


def _account(username: str, address: str) -> str:
    """Name the pair without the name of a person: Redis may be read by others."""
    name = unicodedata.normalize("NFKC", username).casefold()
    text = f"{settings.SECRET_KEY}:{address}:{name}"
    return sha256(text.encode(errors="replace")).hexdigest()[:32]


def _limit(name: str) -> Limit:
    return Limit(*settings.RATE_LIMITS[name])


def _require(request: HttpRequest, name: str, client: str) -> None:
    """Count a request, once: a view that is tried again after a deadlock asks again."""
    counted: set[str] = request.__dict__.setdefault("counted_limits", set())
    if name in counted:
        return
    counted.add(name)
    before: ratelimit.Spent | None = request.META.pop(ratelimit.SPENT, None)
    if before is not None and (before.state.limit.name, before.client) == (name, client):
        state = before.state
    else:
        state = ratelimit.spend(_limit(name), client)
    shown: ratelimit.State | None = getattr(request, "rate_limit", None)
    if shown is None or state.remaining < shown.remaining:
        request.rate_limit = state  # type: ignore[attr-defined]
    ratelimit.require(state)


@lru_cache(maxsize=4096)
def _is_exempt(address: str, networks: tuple[str, ...]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in ip_network(network) for network in networks)
