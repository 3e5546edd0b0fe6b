"""Every read of the taxonomy. Hot reads return finished JSON through the cache."""

from collections.abc import Iterable
from typing import Any

import msgspec
from django.db.models import F, Q, QuerySet
from django.http import Http404

from midst.kernel import cache as kept
from midst.kernel.cache import Answer
from taxonomy import cache
from taxonomy.models import Epoch, Mask, Stage

_MASK = (
    "slug", "name", "ontology", "functional_scope", "tone", "rhetorical_mode",
    "compression_ratio", "contexts", "triggers", "include_tags", "exclude_tags",
    "priority_weights", "private_tags", "excluded_entities", "obfuscate_dates",
    "created_at", "updated_at",
)  # fmt: skip
_STAGE = ("slug", "title", "summary", "tags")
_EPOCH = ("slug", "name", "summary", "position")

Row = dict[str, Any]


def masks(
    *, offset: int, limit: int, ontology: str = "", tag: str = "", search: str = ""
) -> Answer:
    """Return masks in their order, filtered; two queries on a miss."""

    def compute() -> bytes:
        queryset = Mask.objects.order_by("position")
        if ontology:
            queryset = queryset.filter(ontology=ontology)
        if tag:
            queryset = queryset.filter(include_tags__contains=[tag])
        if search:
            matches = Q(name__icontains=search) | Q(functional_scope__icontains=search)
            queryset = queryset.filter(matches)
        return _listing(queryset, _MASK, offset, limit, _masks)

    key = cache.masks_key(offset=offset, limit=limit, ontology=ontology, tag=tag, search=search)
    return kept.read(cache.MASKS, key, groups=("masks",), compute=compute)


def mask(slug: str) -> Answer:
    """Return one mask. Raises ``Http404``."""

    def compute() -> bytes:
        rows = _masks(Mask.objects.filter(slug=slug).values(*_MASK))
        return _one(rows, f"There is no mask {slug!r}.")

    return kept.read(cache.MASKS, cache.mask_key(slug), groups=("masks",), compute=compute)


def epochs(*, offset: int, limit: int) -> Answer:
    """Return epochs in their order, each with its stages in theirs; three queries on a miss."""

    def compute() -> bytes:
        return _listing(Epoch.objects.order_by("position"), ("id", *_EPOCH), offset, limit, _epochs)

    key = cache.epochs_key(offset=offset, limit=limit)
    return kept.read(cache.EPOCHS, key, groups=("epochs",), compute=compute)


def epoch(slug: str) -> Answer:
    """Return one epoch with its stages. Raises ``Http404``."""

    def compute() -> bytes:
        rows = _epochs(Epoch.objects.filter(slug=slug).values("id", *_EPOCH))
        return _one(rows, f"There is no epoch {slug!r}.")

    return kept.read(cache.EPOCHS, cache.epoch_key(slug), groups=("epochs",), compute=compute)


def stages(*, offset: int, limit: int, epoch: str = "") -> Answer:
    """Return stages by slug; those of one epoch in their order there."""

    def compute() -> bytes:
        queryset = Stage.objects.order_by("slug")
        if epoch:
            in_epoch = Stage.objects.filter(epochstage__epoch__slug=epoch)
            queryset = in_epoch.order_by("epochstage__position")
        return _listing(queryset, _STAGE, offset, limit, list)

    key = cache.stages_key(offset=offset, limit=limit, epoch=epoch)
    return kept.read(cache.STAGES, key, groups=("stages",), compute=compute)


def stage(slug: str) -> Answer:
    """Return one stage. Raises ``Http404``."""

    def compute() -> bytes:
        return _one(Stage.objects.filter(slug=slug).values(*_STAGE), f"There is no stage {slug!r}.")

    return kept.read(cache.STAGES, cache.stage_key(slug), groups=("stages",), compute=compute)


def mask_ids() -> list[int]:
    """Return the primary keys of all masks, in their order."""
    return list(Mask.objects.order_by("position").values_list("pk", flat=True))


def _listing(
    queryset: QuerySet[Any], fields: Iterable[str], offset: int, limit: int, finish: Any
) -> bytes:
    results = finish(queryset.values(*fields)[offset : offset + limit])
    return msgspec.json.encode({"results": results, "count": queryset.count()})


def _one(rows: Iterable[Row], missing: str) -> bytes:
    for row in rows:
        return msgspec.json.encode(row)
    raise Http404(missing)


def _masks(rows: Iterable[Row]) -> list[Row]:
    return [_mask(row) for row in rows]


def _mask(row: Row) -> Row:
    redaction = ("private_tags", "excluded_entities", "obfuscate_dates")
    return {
        **{name: value for name, value in row.items() if name not in redaction},
        "compression_ratio": float(row["compression_ratio"]),
        "redaction": {name: row[name] for name in redaction},
    }


def _epochs(rows: Iterable[Row]) -> list[Row]:
    found = list(rows)
    members = (
        Stage.objects.filter(epochstage__epoch__in=[row["id"] for row in found])
        .annotate(of=F("epochstage__epoch"))
        .order_by("epochstage__position")
        .values("of", *_STAGE)
    )
    by_epoch: dict[int, list[Row]] = {row["id"]: [] for row in found}
    for member in members:
        by_epoch[member.pop("of")].append(member)
    return [
        {**{name: row[name] for name in _EPOCH}, "stages": by_epoch[row["id"]]} for row in found
    ]
