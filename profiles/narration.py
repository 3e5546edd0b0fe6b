"""A narrative told through a mask. Pure: the same input gives the same blocks."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil
from typing import Any

from taxonomy.selection import MaskView

_EXACT, _SUBSTRING = 2.0, 1.0
_RECENCY, _RECENT_MONTHS = 2.0, 36
_DAYS_A_MONTH = 365.2425 / 12
_TITLE, _BODY = 200, 10_000


@dataclass(frozen=True, slots=True)
class Material:
    """Something of a profile that can be told; ``kind`` like ``experience`` or ``event``."""

    key: str
    kind: str
    title: str
    body: str
    tags: tuple[str, ...]
    starts_on: date | None
    ends_on: date | None
    importance: float = 0.0


def narrate(material: Iterable[Material], mask: MaskView, *, as_of: date) -> list[dict[str, Any]]:
    """Return the blocks ``{title, body, tags, weight, template}``, the weightiest first.

    What the mask's redaction excludes is left out; of the rest the weightiest are kept, as many
    as the compression ratio says, rounded up. Ties: the later first, then by key.
    """
    allowed = [each for each in material if not _is_redacted(each, mask)]
    weighed = sorted(
        ((weigh(each, mask, as_of), each) for each in allowed),
        key=lambda pair: (-pair[0], -_moment(pair[1]).toordinal(), pair[1].key),
    )
    kept = weighed[: ceil(len(weighed) * mask.compression_ratio)]
    return [_block(each, weight, mask) for weight, each in kept]


def weigh(material: Material, mask: MaskView, as_of: date) -> float:
    """Return the weight: tags, recency and the material's own importance."""
    return round(
        _by_tags(material.tags, mask)
        + recency(_last_day(material, as_of), as_of)
        + material.importance,
        4,
    )


def recency(day: date | None, as_of: date) -> float:
    """Return 2 for today or later, falling in a straight line to 0 at 36 months before."""
    if day is None:
        return 0.0
    months = max(0, (as_of - day).days) / _DAYS_A_MONTH
    return _RECENCY * max(0.0, 1 - months / _RECENT_MONTHS)


def _by_tags(tags: Sequence[str], mask: MaskView) -> float:
    """2 for a tag that the mask includes, 1 for one that has such a tag in it or is within one;
    an exact one with a priority weight weighs that in addition. Excluded tags count against.
    """
    total = 0.0
    for tag in {tag.casefold() for tag in tags}:
        total += _match(tag, mask.include_tags) + mask.priority_weights.get(tag, 0)
        total -= _match(tag, mask.exclude_tags)
    return total


def _match(tag: str, wanted: frozenset[str]) -> float:
    if tag in wanted:
        return _EXACT
    return _SUBSTRING if tag and any(tag in each or each in tag for each in wanted) else 0.0


def _is_redacted(material: Material, mask: MaskView) -> bool:
    return material.kind.casefold() in mask.excluded_entities or any(
        tag.casefold() in mask.private_tags for tag in material.tags
    )


def _last_day(material: Material, as_of: date) -> date | None:
    """What has begun and not ended goes on."""
    if material.ends_on is None and material.starts_on is not None and material.kind in _LASTING:
        return max(material.starts_on, as_of)
    return material.ends_on or material.starts_on


# Without an end these go on; the others happened on one day.
_LASTING = frozenset({"experience", "education", "project", "role"})


def _moment(material: Material) -> date:
    return material.ends_on or material.starts_on or date.min


def _block(material: Material, weight: float, mask: MaskView) -> dict[str, Any]:
    when = _when(material, years_only=mask.obfuscate_dates)
    return {
        "title": material.title[:_TITLE],
        "body": "\n\n".join(part for part in (when, material.body) if part)[:_BODY],
        "tags": list(material.tags),
        "weight": weight,
        "template": f"{mask.rhetorical_mode}/{material.kind}"[:50],
    }


def _when(material: Material, *, years_only: bool) -> str:
    days = [day for day in (material.starts_on, material.ends_on) if day is not None]
    return " to ".join(dict.fromkeys(_written(days, years_only=years_only)))


def _written(days: Iterable[date], *, years_only: bool) -> Iterator[str]:
    for day in days:
        yield f"{day.year:04}" if years_only else day.isoformat()
