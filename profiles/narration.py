"""Makes a narrative through a mask. Pure: the same input gives the same blocks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil
from typing import Any

from profiles.dates import years_only
from taxonomy.selection import MaskView

_EXACT, _SUBSTRING = 2.0, 1.0
_RECENCY, _RECENT_MONTHS = 2.0, 36
_DAYS_A_MONTH = 365.2425 / 12
_TITLE, _BODY = 200, 10_000


@dataclass(frozen=True, slots=True)
class Material:
    """A row of a profile that can become a block; ``kind`` like ``experience`` or ``milestone``."""

    key: str
    kind: str
    title: str
    body: str
    tags: tuple[str, ...]
    starts_on: date | None
    ends_on: date | None
    importance: float = 0.0


def narrate(material: Iterable[Material], mask: MaskView, *, as_of: date) -> list[dict[str, Any]]:
    """Return the blocks ``{title, body, tags, weight, template}``, the largest weight first.

    What the mask's redaction excludes is left out; of the rest, those with the most
    weight are used: the share is the compression ratio, rounded up. Ties: later first, then by key.
    """
    allowed = [each for each in material if not _is_redacted(each, mask)]
    weighed = sorted(
        ((weigh(each, mask, as_of), each) for each in allowed),
        key=lambda pair: (-pair[0], -_moment(pair[1]).toordinal(), pair[1].key),
    )
    selected = weighed[: ceil(len(weighed) * mask.compression_ratio)]
    return [_block(each, weight, mask) for weight, each in selected]


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
    """Return 2 for each tag that the mask includes, 1 for each that contains or is part of one,
    plus the mask's priority weight of the tag, minus the same for tags that the mask excludes.
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
    """Return the last day of what the row describes; without an end it is ``as_of``."""
    if material.ends_on is None and material.starts_on is not None and material.kind in _LASTING:
        return max(material.starts_on, as_of)
    return material.ends_on or material.starts_on


# These go on while they have no end; the others happened on one day.
_LASTING = frozenset({"experience", "education", "project", "role"})


def _moment(material: Material) -> date:
    return material.ends_on or material.starts_on or date.min


def _block(material: Material, weight: float, mask: MaskView) -> dict[str, Any]:
    plain = years_only if mask.obfuscate_dates else str
    when = " to ".join(dict.fromkeys(plain(day.isoformat()) for day in _days(material)))
    body = "\n\n".join(part for part in (when, plain(material.body)) if part)
    return {
        "title": plain(material.title)[:_TITLE],
        "body": body[:_BODY],
        "tags": [plain(tag) for tag in material.tags],
        "weight": weight,
        "template": f"{mask.rhetorical_mode}/{material.kind}"[:50],
    }


def _days(material: Material) -> list[date]:
    return [day for day in (material.starts_on, material.ends_on) if day is not None]
