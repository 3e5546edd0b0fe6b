"""Where a load generator may be pointed at."""

import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import SplitResult, urlsplit

PREFLIGHT_TIMEOUT_S = 5


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer; where it leads to nobody has allowed."""

    def redirect_request(self, *_: Any) -> None:
        return None


# k6 gets no proxy from our environment, so what looks whether the target answers takes none.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())


class TargetRefused(ValueError):
    """The target is not a base URL, or not on the allow-list."""


def check(url: str, allowed: Iterable[str]) -> str:
    """Return ``url`` as scheme://host:port. Raises ``TargetRefused`` with what to do.

    Every address that the host's name stands for must be in ``allowed`` (addresses, networks,
    host names): nobody points a load generator at someone else's server. What is allowed by its
    address, or on this machine, comes out as an address: it is looked up once, and one server has
    one spelling. A name stays only where ``allowed`` has that name.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise TargetRefused(f"{url!r} is not a URL: {error}.") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise TargetRefused(f"{url!r} is not a URL such as http://127.0.0.1:3001.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise TargetRefused("The target must be a plain base URL: no user, password or query.")
    if parts.path not in {"", "/"}:
        raise TargetRefused(f"{url!r} has a path; the scenarios add their own.")
    try:
        port = _port(parts)
    except ValueError as error:
        raise TargetRefused(f"{url!r} has no valid port.") from error
    if not port:
        raise TargetRefused(f"{url!r} has no valid port: nothing listens on 0.")
    host = _canonical(parts.hostname.removesuffix("."), port, list(allowed))
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _canonical(host: str, port: int, places: list[str]) -> str:
    networks = []
    for place in places:
        try:
            networks.append(ip_network(place))
        except ValueError:
            continue  # a host name
    try:
        # IPv4 first: what listens on loopback listens there.
        found = sorted(
            {ip_address(info[4][0]) for info in socket.getaddrinfo(host, port)},
            key=lambda address: (address.version, address),
        )
    except (OSError, UnicodeError) as error:
        if host in places:
            # Whether it answers is found out before the load.
            return host
        raise TargetRefused(f"{host} has no address: {error}.") from error
    if host in places and not all(address.is_loopback for address in found):
        return host
    if host in places or all(any(address in each for each in networks) for address in found):
        return str(found[0])
    raise TargetRefused(
        f"{host} is not on the list of allowed targets ({', '.join(places)}). "
        "Add it to PERFOPS['ALLOWED_TARGETS'] (PERFOPS_ALLOWED_TARGETS) if it is yours."
    )


def is_one_of(url: str, others: Iterable[str]) -> bool:
    """Say whether ``url`` names the same server as one of ``others``, by addresses and port.

    As for the allow-list, all loopback addresses are this machine: what listens on a port of it is
    one server, whether it is asked at 127.0.0.1, 127.0.0.2 or [::1].
    """
    return any(_servers(url) & _servers(other) for other in others)


def _servers(url: str) -> set[tuple[str, int]]:
    parts = urlsplit(url)
    port = _port(parts)
    try:
        found = socket.getaddrinfo(parts.hostname, port)
    except (OSError, UnicodeError):
        return set()
    return {
        ("loopback" if ip_address(info[4][0]).is_loopback else str(info[4][0]), port)
        for info in found
    }


def _port(parts: SplitResult) -> int:
    return {"http": 80, "https": 443}.get(parts.scheme, 0) if parts.port is None else parts.port


def unreachable(url: str) -> str | None:
    """Return why nothing answers at ``url``; None when something does, whatever it says."""
    try:
        DIRECT.open(f"{url}/health", timeout=PREFLIGHT_TIMEOUT_S).close()
    except urllib.error.HTTPError as error:
        error.close()
        return None
    except urllib.error.URLError as error:
        return str(error.reason)
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    return None
