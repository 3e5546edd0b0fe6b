"""The texts of the cache's page, made from an overview."""

from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlencode

from django.template.defaultfilters import filesizeformat
from django.urls import reverse

from midst.operations.cache_page import clearings
from midst.operations.cache_page.overview import (
    Overview,
    RegionOverview,
    Sample,
    Server,
    Share,
    State,
    Use,
)
from midst.operations.durations import duration_text

_UNKNOWN = "-"


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
class RegionRow:
    """``stale_badge`` is None while no stale answer was found."""

    name: str
    clear_url: str
    cells: tuple[str, ...]
    stale_badge: Badge | None


@dataclass(frozen=True, slots=True)
class CachePage:
    badge: Badge
    explanations: list[str]
    figures: list[Figure]
    rows: list[RegionRow]
    rest: str
    sample_note: str


def build(overview: Overview) -> CachePage:
    return CachePage(
        badge=_badge(overview),
        explanations=_explanations(overview),
        figures=_figures(overview),
        rows=[_row(region) for region in overview.regions],
        rest=_rest(overview.sample),
        sample_note=_sample_note(overview.sample),
    )


def _badge(overview: Overview) -> Badge:
    if overview.error:
        return Badge("bad", "✗", "Redis is not available")
    if overview.is_degraded:
        return Badge("warning", "!", "degraded")
    if _cold(overview):
        return Badge("warning", "!", "cold: it is filling again")
    return Badge("good", "✓", "healthy")


def _explanations(overview: Overview) -> list[str]:
    if not overview.error and not overview.is_degraded:
        cold = _cold(overview)
        return [
            "Redis is available and every process uses it.",
            *cold,
            *(["Until it is full again, answers are computed."] if cold else []),
        ]
    here = {
        State.CLOSED: "Another process does not use Redis at the moment."
        if overview.is_degraded
        else "",
        State.OPEN: "This process does not use Redis; it tries every 100 ms to reach it.",
        State.SETTLING: "Redis is back; this process uses it again within a second.",
    }[overview.state]
    meanwhile = (
        "Without Redis, answers come from the database: they are current, and cost more. Readers "
        "of a process that want the same at once share one."
    )
    return [text for text in (overview.error, here, meanwhile) if text]


def _cold(overview: Overview) -> list[str]:
    """Return who cleared what within the last minutes: it may hold few answers."""
    return clearings.sentences(clearings.cold(overview.clearings))


def _figures(overview: Overview) -> list[Figure]:
    uses = [region.use for region in overview.regions]
    together = Use(sum(use.hits for use in uses), sum(use.misses for use in uses))
    figures = [
        Figure("Hit rate", _rate(together), f"of {_reads(together):,} reads, all regions"),
        Figure(
            "Stale answers",
            f"{sum(region.stale for region in overview.regions):,}",
            f"in {sum(region.audits for region in overview.regions):,} audited hits; must stay 0",
        ),
        *(_server_figures(overview.server) if overview.server else ()),
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
        else "maxmemory is not set: no limit"
    )
    return [
        Figure("Redis memory", filesizeformat(server.used_bytes), bound),
        Figure("Evicted", f"{server.evicted:,}", f"and {server.expired:,} expired"),
        Figure(
            "Key look-ups found",
            _rate(server.lookups),
            f"of {_reads(server.lookups):,}, the whole server",
        ),
        Figure("Server", server.version, f"up for {duration_text(server.up_s)}"),
    ]


def _row(region: RegionOverview) -> RegionRow:
    keys, size = _share(region.share)
    stale = Badge("bad", "✗", f"{region.stale:,} stale") if region.stale else None
    return RegionRow(
        name=region.name,
        clear_url=f"{reverse('admin:cache_clear')}?{urlencode({'region': region.name})}",
        cells=(
            duration_text(region.ttl_s),
            _rate(region.use),
            f"{region.use.hits:,}",
            f"{region.use.misses:,}",
            f"{region.audits:,}",
            keys,
            size,
        ),
        stale_badge=stale,
    )


def _rest(sample: Sample | None) -> str:
    if sample is None:
        return ""
    keys, size = _share(sample.rest)
    return f"Not in a region: keys {keys}, memory {size} (versions, locks, rate limits and others)."


def _sample_note(sample: Sample | None) -> str:
    if sample is None:
        return "Keys and memory are unknown: Redis did not reply."
    if sample.is_whole:
        return "Keys are counted; memory is estimated from a few keys of each region."
    return (
        f"Keys and memory are an estimate, from {sample.seen:,} of {sample.keys:,} keys. "
        "Invalidated answers are included until they expire."
    )


def _share(share: Share | None) -> tuple[str, str]:
    if share is None:
        return _UNKNOWN, _UNKNOWN
    return f"{share.keys:,}", _UNKNOWN if share.bytes is None else filesizeformat(share.bytes)


def _reads(use: Use) -> int:
    return use.hits + use.misses


def _rate(use: Use) -> str:
    return _UNKNOWN if use.hit_rate is None else f"{use.hit_rate:.1%}"
