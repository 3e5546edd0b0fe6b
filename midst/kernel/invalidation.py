"""From a model's change to the void of what was cached of it."""

from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import Model, QuerySet
from django.db.models.signals import m2m_changed, post_delete, post_save

from midst.kernel.cache import invalidate_on_commit

Groups = tuple[str, ...] | Callable[[Any, bool], tuple[str, ...]]


def connect(declarations: Mapping[Any, Groups]) -> None:
    """Make every change of each model (the keys) void its groups, once it is committed.

    Groups that depend on the row are given as a function of it, and of whether it only goes
    because another row was deleted.
    """
    for model, groups in declarations.items():

        def changed(sender: Any, groups: Groups = groups, **about: Any) -> None:
            if callable(groups):
                groups = groups(about["instance"], _is_cascaded(sender, about.get("origin")))
            if groups:
                invalidate_on_commit(*groups)

        for signal in (post_save, post_delete, m2m_changed):
            signal.connect(
                changed, sender=model, weak=False, dispatch_uid=f"cache:{model._meta.label}"
            )


def _is_cascaded(sender: Any, origin: Model | QuerySet[Any] | None) -> bool:
    """``origin``: what somebody deleted; None for other changes."""
    if origin is None:
        return False
    began_with = origin.model if isinstance(origin, QuerySet) else type(origin)
    return began_with is not sender
