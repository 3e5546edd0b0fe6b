"""What perfops' overview shows of Midst: the cache, and whether workers and beat live.

``PERFOPS["OVERVIEW_PANELS"]`` names ``panels``.
"""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from redis.exceptions import RedisError

from midst.kernel import redis
from midst.kernel.cache.circuit import circuit
from midst.kernel.cache.regions import all_regions
from midst.operations.cache_page import clearings
from midst.operations.cache_page import views as cache_page
from midst.operations.tasks_page import signs
from midst.operations.tasks_page import views as tasks_page
from midst.telemetry.exposition import totals

_HITS, _MISSES, _DEGRADED = "cache_hits_total", "cache_misses_total", "cache_degraded"


def panels(request: HttpRequest | None) -> list[dict[str, Any]]:
    """Return the panels as perfops takes them; reads the metrics once and pings Redis.

    Without a request (``manage.py perfops``) they have no links.
    """
    names = (_HITS, _MISSES, _DEGRADED, *signs.NAMES)
    counted = totals(names, label="cache_type")
    return [_cache(request, counted), _tasks(request, counted)]


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
    elif cold := _cold():
        kind, text = "warning", cold
    rate = f"{hits / (hits + misses):.1%}" if hits + misses else "no reads yet"
    may_see = request is not None and cache_page.may_see(request)
    return {
        "title": "Cache",
        "kind": kind,
        "text": text,
        "facts": [("Hit rate", rate), ("Reads", f"{hits + misses:,.0f}")],
        "url": reverse("admin:cache") if may_see else "",
    }


def _cold() -> str:
    """Return who cleared what within the last minutes; "" for nobody."""
    try:
        found = clearings.cold(clearings.recent())
    except RedisError:
        return ""
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"cold, {found[0].by} cleared {found[0].what}{more}" if found else ""


def _redis_answers() -> bool:
    try:
        redis.client().ping()
    except redis.ServerChanged:
        # It was restarted since the last command, and answers.
        return True
    except RedisError:
        return False
    return True


def _tasks(request: HttpRequest | None, counted: dict[str, dict[str, float]]) -> dict[str, Any]:
    state = signs.read(counted)
    facts = [(each.name, each.age_text) for each in state]
    silent = [f"no {each.name.lower()}" for each in state if each.is_silent]
    may_see = request is not None and request.user.has_perm(tasks_page.PERMISSION)
    return {
        "title": "Tasks",
        "kind": "warning" if silent else "good",
        "text": ", ".join(silent) or "alive",
        "facts": facts,
        "url": reverse("admin:tasks") if may_see else "",
    }
