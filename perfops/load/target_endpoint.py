"""The target's side of a run: a signed endpoint says what it runs, and how full it is.

A project mounts it: ``path("perfops/target", target_endpoint.target_figures)``. Who knows
``PERFOPS["TARGET_SECRET"]`` may ask; without a secret there is no such page.
"""

import hashlib
import hmac
import os
import time
from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any

import psutil
from django.db import connections
from django.http import Http404, HttpRequest, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from perfops.conf import conf
from perfops.load import fingerprint, k6

PATH = "/perfops/target"
TIME_HEADER, SIGNATURE_HEADER = "X-Perfops-Time", "X-Perfops-Signature"


def headers(secret: str, path: str, now: float) -> dict[str, str]:
    """Return the headers of a request for ``path`` (with its query) at Unix time ``now``."""
    at = f"{now:.3f}"
    return {TIME_HEADER: at, SIGNATURE_HEADER: _signature(secret, path, at)}


def _signature(secret: str, path: str, at: str) -> str:
    """HMAC (RFC 2104) with SHA-256; what was signed for one path serves no other."""
    return hmac.new(secret.encode(), f"{path}\n{at}".encode(), hashlib.sha256).hexdigest()


@require_safe
@never_cache
def target_figures(request: HttpRequest) -> JsonResponse:
    """Answer with how full this process and its machine are; ``?fingerprint``: with what they run.

    404 without a secret or with a wrong signature; 403 where the clocks are too far apart.
    """
    secret = conf().TARGET_SECRET
    at = request.headers.get(TIME_HEADER, "")
    given = request.headers.get(SIGNATURE_HEADER, "")
    expected = _signature(secret, request.get_full_path(), at)
    if not secret or not constant_time_compare(given, expected):
        raise Http404
    apart = abs(time.time() - float(at))
    if apart > conf().TARGET_CLOCK_WINDOW_S:
        says = f"the clocks of the generator and the target are {apart:.0f} s apart"
        return JsonResponse({"error": says}, status=403)
    if "fingerprint" in request.GET:
        return JsonResponse({**fingerprint.of_target(), "cores": k6.usable_cores()})
    return JsonResponse(saturation())


def saturation() -> dict[str, float]:
    """Return how full this process and its machine (or container) are.

    ``at``: Unix time; ``cpu_s``: CPU seconds used so far, of ``cores``; the others are shares of
    what there is, 0 to 1. ``pool`` is 1 as soon as somebody waits for a connection.
    """
    found: dict[str, float] = {
        "at": time.time(),
        "process": os.getpid(),
        "cores": k6.usable_cores(),
        "cpu_s": k6.used_cpu_s(),
        "memory": psutil.virtual_memory().percent / 100,
    }
    if in_use := pools():
        found["pool"] = max(map(_fullness, in_use))
    if conf().SATURATION:
        own: Mapping[str, float] = resolve_name(conf().SATURATION)()
        found.update(own)
    return found


def pools() -> list[Any]:
    """Return this process' pools of connections."""
    found = (getattr(connections[alias], "pool", None) for alias in connections)
    return [pool for pool in found if pool is not None]


def _fullness(pool: Any) -> float:
    if pool.closed:
        return 0.0
    stats = pool.get_stats()
    if stats.get("requests_waiting", 0):
        return 1.0
    return float((stats["pool_size"] - stats["pool_available"]) / pool.max_size)
