"""The taxonomy is changed by staff. Slugs never change: they are the public ids."""

from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Model
from django.http import HttpRequest

from midst.kernel.http import check_preconditions
from midst.kernel.problems import CONFLICT, NOT_FOUND, Problem, conflicts, invalid
from taxonomy import selectors
from taxonomy.models import Epoch, EpochStage, Mask, Stage

_TAKEN = {
    "taxonomy_mask_slug_key": "Another mask has this slug.",
    "taxonomy_mask_position_key": "Another mask was made at the same moment: try again.",
    "taxonomy_epoch_slug_key": "Another epoch has this slug.",
    "taxonomy_epoch_position_unique": "Another epoch has this position.",
    "taxonomy_stage_slug_key": "Another stage has this slug.",
}

Fields = dict[str, Any]


def create_mask(fields: Fields) -> bytes:
    """Make a mask, behind the others; return its JSON. Raises ``Problem``: 409."""
    last = Mask.objects.aggregate(last=Max("position"))["last"] or 0
    _write(Mask(position=last + 1), _mask_columns(fields))
    return selectors.mask_now(fields["slug"])


def change_mask(request: HttpRequest, slug: str, fields: Fields) -> bytes:
    """Change some of a mask. Raises ``Problem``: 404, 409, 412."""
    return _change(request, Mask, slug, _mask_columns(fields), selectors.mask_now)


def delete_mask(request: HttpRequest, slug: str) -> None:
    """Delete a mask. Raises ``Problem``: 404, 409 while it is in use."""
    _delete(request, Mask, slug, selectors.mask_now)


def create_epoch(fields: Fields) -> bytes:
    """Make an epoch with its stages. Raises ``Problem``: 409, 422."""
    _write(Epoch(), fields)
    return selectors.epoch_now(fields["slug"])


def change_epoch(request: HttpRequest, slug: str, fields: Fields) -> bytes:
    """Change some of an epoch; ``stages`` replaces all of them.

    Raises ``Problem``: 404, 409, 412, 422.
    """
    return _change(request, Epoch, slug, fields, selectors.epoch_now)


def delete_epoch(request: HttpRequest, slug: str) -> None:
    """Delete an epoch. Raises ``Problem``: 404, 409 while it is in use."""
    _delete(request, Epoch, slug, selectors.epoch_now)


def create_stage(fields: Fields) -> bytes:
    """Make a stage. Raises ``Problem`` (409)."""
    _write(Stage(), fields)
    return selectors.stage_now(fields["slug"])


def change_stage(request: HttpRequest, slug: str, fields: Fields) -> bytes:
    """Change some of a stage. Raises ``Problem``: 404, 409, 412."""
    return _change(request, Stage, slug, fields, selectors.stage_now)


def delete_stage(request: HttpRequest, slug: str) -> None:
    """Delete a stage. Raises ``Problem``: 404, 409 while it is in use."""
    _delete(request, Stage, slug, selectors.stage_now)


def _change(
    request: HttpRequest, model: type[Model], slug: str, fields: Fields, now: Callable[[str], bytes]
) -> bytes:
    with transaction.atomic():
        row = _locked(model, slug)
        check_preconditions(request, now(slug))
        _write(row, fields)
        return now(slug)


def _write(row: Any, fields: Fields) -> None:
    with conflicts(_TAKEN):
        stages = fields.get("stages")
        for name, value in fields.items():
            if name != "stages":
                setattr(row, name, value)
        row.save()
        if stages is not None:
            _put_stages(row, stages)
        # Deferred constraints would fail at the commit, after our checks.
        connection.check_constraints()


def _put_stages(epoch: Epoch, slugs: list[str]) -> None:
    known = dict(Stage.objects.filter(slug__in=slugs).values_list("slug", "pk"))
    for place, slug in enumerate(slugs):
        if slug not in known:
            raise invalid(f"body.stages.{place}", f"There is no stage {slug!r}.")
    EpochStage.objects.filter(epoch=epoch).delete()
    EpochStage.objects.bulk_create(
        EpochStage(epoch=epoch, stage_id=known[slug], position=place)
        for place, slug in enumerate(slugs, 1)
    )


def _delete(
    request: HttpRequest, model: type[Model], slug: str, now: Callable[[str], bytes]
) -> None:
    with transaction.atomic():
        row = _locked(model, slug)
        check_preconditions(request, now(slug))
        found = selectors.uses(row)
        if found:
            raise Problem(CONFLICT, f"It is in use by {', '.join(found)}.")
        row.delete()


def _locked(model: type[Model], slug: str) -> Any:
    row = model._default_manager.select_for_update().filter(slug=slug).first()
    if row is None:
        raise Problem(NOT_FOUND, f"There is no {model._meta.verbose_name} {slug!r}.")
    return row


def _mask_columns(fields: Fields) -> Fields:
    """One object of the API is three columns of the table."""
    return {**{k: v for k, v in fields.items() if k != "redaction"}, **fields.get("redaction", {})}
