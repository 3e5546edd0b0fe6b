"""From a model's change to the void of what was cached of it.

An app declares in its ``cache.py`` what a change of each model makes void, and ``connect`` sees to
it. A change of one row goes by signals and may be exact. Changes of many rows at once send none:
``VoidingQuerySet`` makes void all kinds that show such rows. Raw SQL is seen by neither: call
``cache.void_on_commit`` after it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model, QuerySet
from django.db.models.signals import m2m_changed, post_delete, post_save

from midst.kernel.cache import Kind, void_on_commit


@dataclass(frozen=True, slots=True)
class Voids:
    """What a change of a model makes void.

    ``kinds``: all that shows such rows. ``of_row``: the groups of one row, given that row and
    whether it only goes because another one was deleted; without it a row voids the kinds.
    """

    kinds: tuple[Kind, ...]
    of_row: Callable[[Any, bool], Iterable[str]] | None = None

    @property
    def all_groups(self) -> tuple[str, ...]:
        return tuple(kind.group for kind in self.kinds)


_declared: dict[type[Model], Voids] = {}


class VoidingQuerySet[M: Model](QuerySet[M]):
    """Of every cached model. (``delete`` sends a signal for each row, ``bulk_update`` updates.)"""

    def update(self, **values: Any) -> int:
        changed = super().update(**values)
        _void_all(self.model, self.db)
        return changed

    def bulk_create(self, *args: Any, **options: Any) -> list[M]:
        made = super().bulk_create(*args, **options)
        _void_all(self.model, self.db)
        return made


def connect(declarations: Mapping[Any, Voids]) -> None:
    """Make every change of each model (the keys) void what it declares, once it is committed.

    Raises ``ImproperlyConfigured`` for a model whose changes in bulk would go unseen.
    """
    for model, voids in declarations.items():
        if not issubclass(model._default_manager._queryset_class, VoidingQuerySet):
            raise ImproperlyConfigured(
                f"{model._meta.label} is cached: its manager must be VoidingQuerySet.as_manager()."
            )
        _declared[model] = voids

        def changed(sender: Any, voids: Voids = voids, **about: Any) -> None:
            if voids.of_row is None:
                groups = voids.all_groups
            else:
                groups = tuple(voids.of_row(about["instance"], _is_cascaded(sender, about)))
            if groups:
                void_on_commit(*groups, using=about.get("using") or DEFAULT_DB_ALIAS)

        for signal in (post_save, post_delete, m2m_changed):
            signal.connect(
                changed, sender=model, weak=False, dispatch_uid=f"cache:{model._meta.label}"
            )


def _void_all(model: type[Model], using: str) -> None:
    voids = _declared.get(model)
    if voids is not None:
        void_on_commit(*voids.all_groups, using=using)


def _is_cascaded(sender: Any, about: Mapping[str, Any]) -> bool:
    """``origin``: what somebody deleted; there is none for other changes."""
    origin = about.get("origin")
    if origin is None:
        return False
    began_with = origin.model if isinstance(origin, QuerySet) else type(origin)
    return began_with is not sender
