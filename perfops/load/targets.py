"""Where a load generator may be pointed at."""

import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

PREFLIGHT_TIMEOUT_S = 5
# k6 gets no proxy from our environment, so what looks whether the target answers takes none.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class TargetRefused(ValueError):
    """The target is not a base URL, or not on the allow-list."""


def check(url: str, allowed: Iterable[str]) -> str:
    """Return ``url`` as scheme://host:port. Raises ``TargetRefused`` with what to do.

    Every address that the host's name stands for must be in ``allowed`` (addresses, networks,
    host names): nobody points a load generator at someone else's server.
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
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except ValueError as error:
        raise TargetRefused(f"{url!r} has no valid port.") from error
    places = list(allowed)
    if parts.hostname not in places and not _all_within(parts.hostname, port, places):
        raise TargetRefused(
            f"{parts.hostname} is not on the list of allowed targets ({', '.join(places)}). "
            "Add it to PERFOPS['ALLOWED_TARGETS'] (PERFOPS_ALLOWED_TARGETS) if it is yours."
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def _all_within(host: str, port: int, places: list[str]) -> bool:
    networks = []
    for place in places:
        try:
            networks.append(ip_network(place))
        except ValueError:
            continue  # a host name, compared already
    try:
        found = {ip_address(info[4][0]) for info in socket.getaddrinfo(host, port)}
    except (OSError, UnicodeError) as error:
        raise TargetRefused(f"{host} has no address: {error}.") from error
    return all(any(address in network for network in networks) for address in found)


def is_one_of(url: str, others: Iterable[str]) -> bool:
    """Say whether ``url`` names the same server as one of ``others``, by addresses and port."""
    return any(_servers(url) & _servers(other) for other in others)


def _servers(url: str) -> set[tuple[str, int]]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    try:
        found = socket.getaddrinfo(parts.hostname, port)
    except (OSError, UnicodeError):
        return set()
    return {(str(info[4][0]), port) for info in found}


def unreachable(url: str) -> str | None:
    """Return why nothing answers at ``url``; None when something does, whatever it says."""
    try:
        _DIRECT.open(f"{url}/health", timeout=PREFLIGHT_TIMEOUT_S).close()
    except urllib.error.HTTPError:
        return None
    except urllib.error.URLError as error:
        return str(error.reason)
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    return None
