"""Connects model changes to the invalidation of the answers that show them.

An app declares in its ``cache.py`` what a change of each model invalidates, and calls ``connect``
with that. A change of one row goes by Django's signals and can be exact. Changes of many rows at
once send no signals: ``InvalidatingQuerySet`` invalidates every region that shows such rows.
Neither sees raw SQL: call ``cache.invalidate_on_commit`` after it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model, QuerySet
from django.db.models.signals import m2m_changed, post_delete, post_init, post_save

from midst.kernel.cache.invalidation import invalidate_on_commit
from midst.kernel.cache.regions import CacheRegion


@dataclass(frozen=True, slots=True)
class Invalidates:
    """What a change of a model invalidates.

    ``regions`` show such rows; a change of many rows invalidates them as a whole. ``groups_of``
    returns the groups of one row, given the row and whether it is deleted only because another
    row is; without it, a change of one row invalidates the regions too. ``loaded`` is called
    with each instance that Django makes of the model.
    """

    regions: tuple[CacheRegion, ...]
    groups_of: Callable[[Any, bool], Iterable[str]] | None = None
    loaded: Callable[[Any], None] | None = None

    @property
    def all_groups(self) -> tuple[str, ...]:
        return tuple(region.group for region in self.regions)


_declared: dict[type[Model], Invalidates] = {}


class InvalidatingQuerySet[M: Model](QuerySet[M]):
    """For every cached model. (``delete`` sends signals, ``bulk_update`` calls ``update``.)"""

    def update(self, **values: Any) -> int:
        changed = super().update(**values)
        _invalidate_all(self.model, self.db)
        return changed

    def bulk_create(self, *args: Any, **options: Any) -> list[M]:
        made = super().bulk_create(*args, **options)
        _invalidate_all(self.model, self.db)
        return made


def connect(declarations: Mapping[type[Model], Invalidates]) -> None:
    """Make every committed change of a model invalidate what ``declarations`` says for it.

    Raises ``ImproperlyConfigured`` for a model whose bulk changes would not be noticed.
    """
    for model, declared in declarations.items():
        if not isinstance(model._default_manager.all(), InvalidatingQuerySet):
            raise ImproperlyConfigured(
                f"{model._meta.label} is cached: give it InvalidatingQuerySet.as_manager()."
            )
        _declared[model] = declared

        def changed(sender: Any, declared: Invalidates = declared, **about: Any) -> None:
            if declared.groups_of is None:
                groups = declared.all_groups
            else:
                groups = tuple(declared.groups_of(about["instance"], _is_cascade(sender, about)))
            if groups:
                invalidate_on_commit(*groups, using=about.get("using") or DEFAULT_DB_ALIAS)

        for signal in (post_save, post_delete, m2m_changed):
            signal.connect(
                changed, sender=model, weak=False, dispatch_uid=f"cache:{model._meta.label}"
            )
        if declared.loaded is not None:
            _connect_loaded(model, declared.loaded)


def _connect_loaded(model: type[Model], loaded: Callable[[Any], None]) -> None:
    def made(sender: Any, instance: Any, **about: Any) -> None:
        loaded(instance)

    uid = f"cache:{model._meta.label}"
    post_init.connect(made, sender=model, weak=False, dispatch_uid=uid)


def _invalidate_all(model: type[Model], using: str) -> None:
    declared = _declared.get(model)
    if declared is not None:
        invalidate_on_commit(*declared.all_groups, using=using)


def _is_cascade(sender: Any, about: Mapping[str, Any]) -> bool:
    """``origin`` is what the caller deleted; other changes have none."""
    origin = about.get("origin")
    if origin is None:
        return False
    deleted = origin.model if isinstance(origin, QuerySet) else type(origin)
    return deleted is not sender
