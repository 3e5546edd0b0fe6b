"""X-Cache: did an answer come from a cache? Each product has words of its own for it.

Forms: ``HIT`` (nginx, Varnish), ``Hit from cloudfront``, ``MISS, HIT`` (Fastly: one word per hop,
the one nearest to the client last), ``TCP_MEM_HIT from a123`` (Akamai, Squid).
"""

import re

_WORDS = re.compile(r"[A-Za-z]+")
# nginx serves these from its cache; the others are asked for at the origin.
_HITS = {"HIT", "REFRESHHIT", "STALE", "UPDATING", "REVALIDATED"}
_MISSES = {"MISS", "EXPIRED"}


def outcome(header: str) -> str:
    """Return HIT, MISS, or "" where the last hop says neither (BYPASS, DYNAMIC, nothing)."""
    last_hop = header.rpartition(",")[2]
    words = {word.upper() for word in _WORDS.findall(last_hop)}
    if words & _MISSES:
        return "MISS"
    return "HIT" if words & _HITS else ""
