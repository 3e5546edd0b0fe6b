"""Which mask suits which contexts. Pure: the same input gives the same order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_CONTEXT, _TRIGGER, _INCLUDED, _EXCLUDED = 2, 1, 2, -1


@dataclass(frozen=True, slots=True)
class MaskView:
    """A mask as other apps see it."""

    id: int
    slug: str
    name: str
    ontology: str
    tone: str
    rhetorical_mode: str
    compression_ratio: float
    contexts: frozenset[str]
    triggers: frozenset[str]
    include_tags: frozenset[str]
    exclude_tags: frozenset[str]
    priority_weights: dict[str, float]
    private_tags: frozenset[str]
    excluded_entities: frozenset[str]
    obfuscate_dates: bool


def score(mask: MaskView, contexts: Iterable[str]) -> float:
    """Return how well ``mask`` suits: 2 per matched context, 1 per trigger, 2 per included tag,
    -1 per excluded one, and the weight of each tag that has one. Case does not matter.
    """
    total = 0.0
    for word in {context.casefold() for context in contexts}:
        total += _CONTEXT * (word in mask.contexts)
        total += _TRIGGER * (word in mask.triggers)
        total += _INCLUDED * (word in mask.include_tags)
        total += _EXCLUDED * (word in mask.exclude_tags)
        total += mask.priority_weights.get(word, 0)
    return total


def select(masks: Iterable[MaskView], contexts: Sequence[str]) -> list[tuple[MaskView, float]]:
    """Return the masks that suit at all with their scores, the best first, ties by slug."""
    scored = ((mask, score(mask, contexts)) for mask in masks)
    suiting = [(mask, points) for mask, points in scored if points > 0]
    return sorted(suiting, key=lambda pair: (-pair[1], pair[0].slug))
