"""How often answers came from the application's cache, and what may have changed a key."""

from collections import Counter
from collections.abc import Mapping, Sequence

# A share of hits that fell by so much is a cause: less is a list that changed once more.
_FALL = 0.2
_FEWEST = 20


class CacheUse:
    """Hits and misses of each route of one build, all its runs together."""

    def __init__(self) -> None:
        self._hits: Counter[str] = Counter()
        self._misses: Counter[str] = Counter()

    def add(self, run: Mapping[str, tuple[int, int]]) -> None:
        for route, (hits, misses) in run.items():
            self._hits[route] += hits
            self._misses[route] += misses

    def share(self, route: str) -> float | None:
        """Return the share of hits; None where fewer than twenty answers say it."""
        both = self._hits[route] + self._misses[route]
        return self._hits[route] / both if both >= _FEWEST else None


def fall(route: str, before: CacheUse, after: CacheUse) -> str:
    """Return what became of the route's hits where they fell by a fifth or more of all answers."""
    was, now = before.share(route), after.share(route)
    if was is None or now is None or was - now < _FALL:
        return ""
    return f"not found in the cache: hits {was:.0%} to {now:.0%}"


def files_of_key(through: Sequence[str], changed: Sequence[str]) -> tuple[str, ...]:
    """Return the changed files that may make the key, the likeliest first.

    A key is made before the statement is sent, and mostly in no file that it came ``through``: the
    others of the same packages come before those.
    """
    packages = {each.partition("/")[0] for each in through}
    near = (
        each
        for each in changed
        if each.endswith(".py") and each.partition("/")[0] in packages and each not in through
    )
    return (*near, *(each for each in dict.fromkeys(through) if each in changed))
