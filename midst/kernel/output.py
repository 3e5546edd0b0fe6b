"""Shapes that many endpoints send."""

from ninja import Schema


class Listing[Item](Schema):
    """A page of a list; ``next`` and ``previous`` are addresses, null at an end."""

    results: list[Item]
    next: str | None
    previous: str | None
