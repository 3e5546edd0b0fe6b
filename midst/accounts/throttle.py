"""How often one may try to sign in, and how often one may ask at all."""

import unicodedata
from functools import lru_cache
from hashlib import sha256
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

from midst.kernel import ratelimit
from midst.kernel.ratelimit import Limit

# OWASP's authentication cheat sheet: slow down guessing, by account and by address.
LOGIN_BY_ACCOUNT = Limit("login-account", 10, 600)
LOGIN_BY_ADDRESS = Limit("login-address", 50, 600)


def require_login_attempt(request: HttpRequest, username: str) -> None:
    """Count an attempt. Raises ``Problem`` (429) when the account or the address had too many.

    Names are counted whether there is such an account or not, so the answer tells nothing.
    """
    name = unicodedata.normalize("NFKC", username).casefold()
    # No names of people in Redis.
    account = sha256(f"{settings.SECRET_KEY}:{name}".encode(errors="replace")).hexdigest()[:32]
    address = ratelimit.spend(LOGIN_BY_ADDRESS, address_of(request))
    ratelimit.require(address)
    ratelimit.require(ratelimit.spend(LOGIN_BY_ACCOUNT, account))


def require_request(request: HttpRequest, *, user: int | None, token: str | None) -> None:
    """Count a request, by token, user or address. Raises ``Problem`` (429)."""
    if token is not None:
        limit, client = settings.RATE_LIMITS["token"], token
    elif user is not None:
        limit, client = settings.RATE_LIMITS["user"], str(user)
    else:
        client = address_of(request)
        if _is_exempt(client, tuple(settings.RATE_LIMIT_EXEMPT)):
            return
        limit = settings.RATE_LIMITS["address"]
    state = ratelimit.spend(Limit(*limit), client)
    request.rate_limit = state  # type: ignore[attr-defined]
    ratelimit.require(state)


def address_of(request: HttpRequest) -> str:
    """Return the client's address: as many proxies back as we were told to trust."""
    hops: int = settings.TRUSTED_PROXY_HOPS
    remote: str = request.META.get("REMOTE_ADDR", "")
    if not hops:
        return remote
    forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    candidate = forwarded[-hops] if len(forwarded) >= hops else ""
    try:
        return str(ip_address(candidate))
    except ValueError:
        return remote


@lru_cache(maxsize=4096)
def _is_exempt(address: str, networks: tuple[str, ...]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in ip_network(network) for network in networks)
