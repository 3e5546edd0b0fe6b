"""A judgement as data: the one form of it in reports, webhooks and the REST API."""

from typing import Any

from perfops.budgets.selectors import Judgement

_NAMES = (
    "name", "action", "outcome", "value", "target", "threshold", "margin", "reason", "is_waived",
)  # fmt: skip


def as_data(each: Judgement) -> dict[str, Any]:
    """Return name, figures (in the units of ``Budget``), outcome and waiver."""
    return {name: getattr(each, name) for name in _NAMES}
