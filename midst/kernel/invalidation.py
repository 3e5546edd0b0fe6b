"""From a model's change to the void of what was cached of it."""

from collections.abc import Mapping
from typing import Any

from django.db.models.signals import m2m_changed, post_delete, post_save

from midst.kernel.cache import invalidate_on_commit


def connect(declarations: Mapping[Any, tuple[str, ...]]) -> None:
    """Make every change of each model (the keys) void its groups, once it is committed."""
    for model, groups in declarations.items():

        def changed(groups: tuple[str, ...] = groups, **_: Any) -> None:
            invalidate_on_commit(*groups)

        for signal in (post_save, post_delete, m2m_changed):
            signal.connect(
                changed, sender=model, weak=False, dispatch_uid=f"cache:{model._meta.label}"
            )
