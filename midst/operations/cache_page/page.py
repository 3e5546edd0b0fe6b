"""What the cache's page shows: an overview made into finished texts."""

from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlencode

from django.template.defaultfilters import filesizeformat
from django.urls import reverse

from midst.kernel.cache.memory import TTL_S as MEMORY_TTL_S
from midst.kernel.cache.overview import KindOverview, Overview, Server, State, Use
from midst.kernel.cache.sampling import Sample, Share

_NOT_KNOWN = "-"


class Badge(NamedTuple):
    """``kind`` is the CSS class: good, warning or bad."""

    kind: str
    icon: str
    text: str


class Figure(NamedTuple):
    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class KindRow:
    """``stale_badge`` is None as long as no stale answer was found."""

    name: str
    clear_url: str
    cells: tuple[str, ...]
    stale_badge: Badge | None


@dataclass(frozen=True, slots=True)
class CachePage:
    badge: Badge
    explanations: list[str]
    figures: list[Figure]
    rows: list[KindRow]
    rest: str
    sample_note: str


def build(overview: Overview) -> CachePage:
    return CachePage(
        badge=_badge(overview),
        explanations=_explanations(overview),
        figures=_figures(overview),
        rows=[_row(kind) for kind in overview.kinds],
        rest=_rest(overview.sample),
        sample_note=_sample_note(overview.sample),
    )


def _badge(overview: Overview) -> Badge:
    if overview.trouble:
        return Badge("bad", "✗", "Redis does not answer")
    if overview.is_degraded:
        return Badge("warning", "!", "degraded")
    return Badge("good", "✓", "in order")


def _explanations(overview: Overview) -> list[str]:
    if not overview.trouble and not overview.is_degraded:
        return ["Redis answers; every process believes what it keeps."]
    here = {
        State.CLOSED: "Another process leaves Redis alone." if overview.is_degraded else "",
        State.OPEN: "This process leaves Redis alone and knocks until it is back.",
        State.SETTLING: "Redis is back; this process believes it again in a moment.",
    }[overview.state]
    meanwhile = (
        "Without Redis answers come from the database, and from each process's memory: "
        f"there they are at most {MEMORY_TTL_S:g} s old."
    )
    return [text for text in (overview.trouble, here, meanwhile) if text]


def _figures(overview: Overview) -> list[Figure]:
    kinds = [kind.use for kind in overview.kinds]
    together = Use(sum(use.hits for use in kinds), sum(use.misses for use in kinds))
    figures = [
        Figure("Hit rate", _rate(together), f"of {_asked(together):,} reads, all kinds"),
        Figure(
            "Stale answers",
            f"{sum(kind.stale for kind in overview.kinds):,}",
            f"in {sum(kind.audits for kind in overview.kinds):,} audited hits; must stay 0",
        ),
        *(_server_figures(overview.server) if overview.server else ()),
        Figure(
            "Fallback memory",
            filesizeformat(overview.memory_bytes),
            f"of {filesizeformat(overview.memory_max_bytes)}, this process",
        ),
        Figure(
            "Fallback hit rate",
            _rate(overview.fallback),
            f"of {_asked(overview.fallback):,} reads without Redis",
        ),
    ]
    if overview.sample is not None:
        about = "" if overview.sample.is_whole else "≈ "
        figures.insert(3, Figure("Keys", f"{about}{overview.sample.keys:,}", "in the cache"))
    return figures


def _server_figures(server: Server) -> list[Figure]:
    bound = (
        f"{server.used_bytes / server.max_bytes:.0%} of {filesizeformat(server.max_bytes)}, "
        f"{server.policy}"
        if server.max_bytes
        else "maxmemory is not set: it grows without bound"
    )
    return [
        Figure("Redis memory", filesizeformat(server.used_bytes), bound),
        Figure("Evicted", f"{server.evicted:,}", f"and {server.expired:,} expired"),
        Figure(
            "Key look-ups found",
            _rate(server.lookups),
            f"of {_asked(server.lookups):,}, the whole server",
        ),
        Figure("Server", server.version, f"up for {_duration(server.up_s)}"),
    ]


def _row(kind: KindOverview) -> KindRow:
    keys, weight = _share(kind.share)
    stale = Badge("bad", "✗", f"{kind.stale:,} stale") if kind.stale else None
    return KindRow(
        name=kind.name,
        clear_url=f"{reverse('admin:cache_clear')}?{urlencode({'kind': kind.name})}",
        cells=(
            _duration(kind.ttl_s),
            _rate(kind.use),
            f"{kind.use.hits:,}",
            f"{kind.use.misses:,}",
            f"{kind.audits:,}",
            keys,
            weight,
        ),
        stale_badge=stale,
    )


def _rest(sample: Sample | None) -> str:
    if sample is None:
        return ""
    keys, weight = _share(sample.rest)
    return f"Beside these: {keys} keys, {weight}: stamps, locks, rate limits, others'."


def _sample_note(sample: Sample | None) -> str:
    if sample is None:
        return "Keys and memory are not known: Redis did not tell."
    if sample.is_whole:
        return "Keys are counted; memory is weighed on a few keys of each kind."
    return (
        f"Keys and memory are an estimate, from {sample.seen:,} of {sample.keys:,} keys. "
        "Answers that are void count until they expire."
    )


def _share(share: Share | None) -> tuple[str, str]:
    if share is None:
        return _NOT_KNOWN, _NOT_KNOWN
    return f"{share.keys:,}", _NOT_KNOWN if share.bytes is None else filesizeformat(share.bytes)


def _asked(use: Use) -> int:
    return use.hits + use.misses


def _rate(use: Use) -> str:
    return _NOT_KNOWN if use.hit_rate is None else f"{use.hit_rate:.1%}"


def _duration(seconds: int) -> str:
    for length, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} s"
