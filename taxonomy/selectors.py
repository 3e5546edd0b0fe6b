"""Every read of the taxonomy. Hot reads return finished JSON through the cache."""

from collections.abc import Iterable
from typing import Any

import msgspec
from django.db.models import PROTECT, F, ManyToOneRel, Model, Q, QuerySet

from midst.kernel import cache
from midst.kernel.cache import Answer
from midst.kernel.problems import NOT_FOUND, Problem, invalid
from taxonomy.cache import (
    EPOCHS,
    MASKS,
    STAGES,
    epoch_key,
    epochs_key,
    mask_key,
    masks_key,
    stage_key,
    stages_key,
)
from taxonomy.models import Epoch, Mask, Stage
from taxonomy.selection import MaskView

_MASK = (
    "slug", "name", "ontology", "functional_scope", "tone", "rhetorical_mode",
    "compression_ratio", "contexts", "triggers", "include_tags", "exclude_tags",
    "priority_weights", "private_tags", "excluded_entities", "obfuscate_dates",
    "created_at", "updated_at",
)  # fmt: skip
_STAGE = ("slug", "title", "summary", "tags")
_EPOCH = ("slug", "name", "summary", "position")

# A higher count would say no more.
_MOST_COUNTED = 1000

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

    key = masks_key(offset=offset, limit=limit, ontology=ontology, tag=tag, search=search)
    return cache.read(MASKS, key, compute=compute)


def mask(slug: str) -> Answer:
    """Return one mask. Raises ``Problem`` (404)."""

    def compute() -> bytes:
        return mask_now(slug)

    return cache.read(MASKS, mask_key(slug), compute=compute)


def mask_now(slug: str) -> bytes:
    """Return one mask as it is in the database. Raises ``Problem`` (404)."""
    rows = _masks(Mask.objects.filter(slug=slug).values(*_MASK))
    return _one(rows, f"There is no mask {slug!r}.")


def epochs(*, offset: int, limit: int) -> Answer:
    """Return epochs in their order, each with its stages in theirs; three queries on a miss."""

    def compute() -> bytes:
        return _listing(Epoch.objects.order_by("position"), ("id", *_EPOCH), offset, limit, _epochs)

    key = epochs_key(offset=offset, limit=limit)
    return cache.read(EPOCHS, key, compute=compute)


def epoch(slug: str) -> Answer:
    """Return one epoch with its stages. Raises ``Problem`` (404)."""

    def compute() -> bytes:
        return epoch_now(slug)

    return cache.read(EPOCHS, epoch_key(slug), compute=compute)


def epoch_now(slug: str) -> bytes:
    """Return one epoch as it is in the database. Raises ``Problem`` (404)."""
    rows = _epochs(Epoch.objects.filter(slug=slug).values("id", *_EPOCH))
    return _one(rows, f"There is no epoch {slug!r}.")


def stages(*, offset: int, limit: int, epoch: str = "") -> Answer:
    """Return stages by slug, or those of one epoch in its order.

    Raises ``Problem`` (422) for an epoch that does not exist.
    """

    def compute() -> bytes:
        queryset = Stage.objects.order_by("slug")
        if epoch:
            if epoch_id(epoch) is None:
                raise invalid("query.epoch", f"There is no epoch {epoch!r}.")
            in_epoch = Stage.objects.filter(epochstage__epoch__slug=epoch)
            queryset = in_epoch.order_by("epochstage__position")
        return _listing(queryset, _STAGE, offset, limit, list)

    key = stages_key(offset=offset, limit=limit, epoch=epoch)
    return cache.read(STAGES, key, compute=compute)


def stage(slug: str) -> Answer:
    """Return one stage. Raises ``Problem`` (404)."""

    def compute() -> bytes:
        return stage_now(slug)

    return cache.read(STAGES, stage_key(slug), compute=compute)


def stage_now(slug: str) -> bytes:
    """Return one stage as it is in the database. Raises ``Problem`` (404)."""
    return _one(Stage.objects.filter(slug=slug).values(*_STAGE), f"There is no stage {slug!r}.")


def mask_ids() -> list[int]:
    """Return the primary keys of all masks, in their order."""
    return list(Mask.objects.order_by("position").values_list("pk", flat=True))


def epoch_ids() -> list[int]:
    """Return the primary keys of all epochs, in their order."""
    return list(Epoch.objects.order_by("position").values_list("pk", flat=True))


def stage_ids() -> list[int]:
    """Return the primary keys of all stages, by slug."""
    return list(Stage.objects.order_by("slug").values_list("pk", flat=True))


def mask_views(**filters: Any) -> list[MaskView]:
    """Return the masks as other apps see them, in their order; words in lower case. One query."""
    rows = Mask.objects.filter(**filters).order_by("position").values("id", *_MASK)
    return [_view(row) for row in rows]


def mask_view(slug: str) -> MaskView | None:
    """Return one mask as other apps see it; None where there is no such mask."""
    return next(iter(mask_views(slug=slug)), None)


def mask_id(slug: str) -> int | None:
    return Mask.objects.filter(slug=slug).values_list("pk", flat=True).first()


def epoch_id(slug: str) -> int | None:
    return Epoch.objects.filter(slug=slug).values_list("pk", flat=True).first()


def stage_id(slug: str) -> int | None:
    return Stage.objects.filter(slug=slug).values_list("pk", flat=True).first()


def uses(row: Model) -> list[str]:
    """Say what keeps ``row`` from being deleted, like ``3 narratives``; counts are bounded."""
    found = []
    for relation in row._meta.get_fields(include_hidden=True):
        if not isinstance(relation, ManyToOneRel) or relation.on_delete is not PROTECT:
            continue
        model = relation.related_model
        users = model._base_manager.filter(**{relation.field.name: row})
        count = users[: _MOST_COUNTED + 1].count()
        if count:
            number = str(count) if count <= _MOST_COUNTED else f"more than {_MOST_COUNTED}"
            name = model._meta.verbose_name if count == 1 else model._meta.verbose_name_plural
            found.append(f"{number} {name}")
    return found


def _listing(
    queryset: QuerySet[Any], fields: Iterable[str], offset: int, limit: int, finish: Any
) -> bytes:
    results = finish(queryset.values(*fields)[offset : offset + limit])
    return msgspec.json.encode({"results": results, "count": queryset.count()})


def _one(rows: Iterable[Row], missing: str) -> bytes:
    for row in rows:
        return msgspec.json.encode(row)
    raise Problem(NOT_FOUND, missing)


def _masks(rows: Iterable[Row]) -> list[Row]:
    return [_mask(row) for row in rows]


def _mask(row: Row) -> Row:
    redaction = ("private_tags", "excluded_entities", "obfuscate_dates")
    return {
        **{name: value for name, value in row.items() if name not in redaction},
        "compression_ratio": float(row["compression_ratio"]),
        "redaction": {name: row[name] for name in redaction},
    }


def _view(row: Row) -> MaskView:
    def words(name: str) -> frozenset[str]:
        return frozenset(word.casefold() for word in row[name])

    return MaskView(
        id=row["id"],
        slug=row["slug"],
        name=row["name"],
        ontology=row["ontology"],
        tone=row["tone"],
        rhetorical_mode=row["rhetorical_mode"],
        compression_ratio=float(row["compression_ratio"]),
        contexts=words("contexts"),
        triggers=words("triggers"),
        include_tags=words("include_tags"),
        exclude_tags=words("exclude_tags"),
        priority_weights={
            tag.casefold(): float(weight) for tag, weight in row["priority_weights"].items()
        },
        private_tags=words("private_tags"),
        excluded_entities=words("excluded_entities"),
        obfuscate_dates=row["obfuscate_dates"],
    )


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
