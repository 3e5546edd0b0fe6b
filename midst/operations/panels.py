"""What perfops' overview shows of Midst: the cache, and whether workers and beat live.

``PERFOPS["OVERVIEW_PANELS"]`` names ``panels``.
"""

from time import time
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from redis.exceptions import RedisError

from midst.kernel import redis
from midst.kernel.cache.circuit import circuit
from midst.kernel.cache.regions import all_regions
from midst.telemetry.exposition import totals

_HITS, _MISSES, _DEGRADED = "cache_hits_total", "cache_misses_total", "cache_degraded"
_WORKER = "celery_worker_heartbeat_timestamp_seconds"
_BEAT = "celery_beat_heartbeat_timestamp_seconds"
# Workers give a sign of life every two seconds, beat with each task: one is due every 15 s.
_SILENT_S = {_WORKER: 60.0, _BEAT: 120.0}


def panels(request: HttpRequest | None) -> list[dict[str, Any]]:
    """Return the panels as perfops takes them; reads the metrics once and pings Redis.

    Without a request (``manage.py perfops``) they have no links.
    """
    names = (_HITS, _MISSES, _DEGRADED, _WORKER, _BEAT)
    counted = totals(names, label="cache_type")
    return [_cache(request, counted), _tasks(counted)]


def _cache(request: HttpRequest | None, counted: dict[str, dict[str, float]]) -> dict[str, Any]:
    regions = {region.name for region in all_regions()}
    hits, misses = (
        sum(number for name, number in counted[each].items() if name in regions)
        for each in (_HITS, _MISSES)
    )
    kind, text = "good", "healthy"
    if not _redis_answers():
        kind, text = "bad", "Redis is not available"
    elif circuit.is_open() or any(counted[_DEGRADED].values()):
        kind, text = "warning", "degraded"
    rate = f"{hits / (hits + misses):.1%}" if hits + misses else "no reads yet"
    may_see = request is not None and request.user.has_perm("operations.view_cache")
    return {
        "title": "Cache",
        "kind": kind,
        "text": text,
        "facts": [("Hit rate", rate), ("Reads", f"{hits + misses:,.0f}")],
        "url": reverse("admin:cache") if may_see else "",
    }


def _redis_answers() -> bool:
    try:
        redis.client().ping()
    except redis.ServerChanged:
        # It was restarted since the last command, and answers.
        return True
    except RedisError:
        return False
    return True


def _tasks(counted: dict[str, dict[str, float]]) -> dict[str, Any]:
    ages = {name: _age_s(counted[name]) for name in (_WORKER, _BEAT)}
    silent = [name for name, age_s in ages.items() if age_s is None or age_s > _SILENT_S[name]]
    facts = [("Worker", _age_text(ages[_WORKER])), ("Beat", _age_text(ages[_BEAT]))]
    if not silent:
        return {"title": "Tasks", "kind": "good", "text": "alive", "facts": facts, "url": ""}
    text = "no worker" if _WORKER in silent else "no beat"
    return {"title": "Tasks", "kind": "warning", "text": text, "facts": facts, "url": ""}


def _age_s(values: dict[str, float]) -> float | None:
    """Return the seconds since the newest sign of life that this machine's metrics know of."""
    newest = max(values.values(), default=0.0)
    return max(0.0, time() - newest) if newest else None


def _age_text(age_s: float | None) -> str:
    return "no sign of life" if age_s is None else f"alive {age_s:,.0f} s ago"
