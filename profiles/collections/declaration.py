"""What a collection under a profile declares, once.

The endpoints, reads, writes, cache, exports, admin pages, narratives and development data of all
collections are made from these declarations. ``docs/development/add-a-collection.md`` shows how
to add one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from django.db.models import Model, Q
from ninja import Schema

from midst.kernel.cache import CacheRegion
from midst.kernel.cache.signals import Invalidates
from midst.kernel.input import Input
from midst.kernel.pagination import Order
from profiles import cache
from profiles.schemas.entries import PageQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrated:
    """How narratives use the rows: the columns that make a block's title, and its body."""

    title: tuple[str, ...]
    body: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """How development data is made: the relative frequency, and functions for some columns.

    The other columns get the model's default.
    """

    share: int
    columns: Mapping[str, Callable[[Random], Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A collection under a profile.

    ``path`` is its place in the URL, ``noun`` what one row is called. ``body``, ``changes`` and
    ``shown`` are the schemas of POST, PATCH and of the answers. ``links`` maps a column of another
    table, as Django spells it, to the field that shows it.

    ``public`` selects the rows that others may see (None: none at all), and ``hidden`` holds what
    others see in place of a field's value. ``redact`` changes a row before others see it; it gets
    the columns ``redact_by`` in addition. ``groups`` are further cache groups that answers depend
    on. ``conflicts`` maps the name of a database constraint to
    the message of the 409. ``query`` is the schema of the list's query parameters: fields beside
    those of ``PageQuery`` filter by equality. ``description`` explains the list in the OpenAPI
    document. ``region`` and ``key_prefix`` say where the cache keeps the answers. ``exported`` is
    the schema of a row in an export, where it has more than ``body``. ``is_searched``: the search
    of profiles finds them by these rows.
    """

    path: str
    noun: str
    model: type[Model]
    body: type[Input]
    changes: type[Input]
    shown: type[Schema]
    order: Order
    region: CacheRegion
    key_prefix: str
    links: Mapping[str, str] = field(default_factory=dict)
    public: Q | None = field(default_factory=Q)
    hidden: Mapping[str, Any] = field(default_factory=dict)
    redact: Callable[[dict[str, Any]], None] | None = None
    redact_by: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    conflicts: Mapping[str, str] = field(default_factory=dict)
    query: type[PageQuery] = PageQuery
    description: str = ""
    exported: type[Input] | None = None
    is_searched: bool = False
    narrated: Narrated | None = None
    seeded: Seeded | None = None

    @property
    def columns(self) -> list[str]:
        """The columns that a query for rows selects."""
        column_of = {shown: column for column, shown in self.links.items()}
        shown = [column_of.get(name, name) for name in self.shown.model_fields]
        return [*shown, *self.redact_by]

    def column_of(self, name: str) -> str:
        """Return the attribute of a row that stores a field: the key, where it links a row."""
        linked = name in self.links.values()
        return self.model._meta.get_field(name).attname if linked else name  # type: ignore[union-attr]

    @property
    def invalidates(self) -> Invalidates:
        """What a change of a row invalidates in the cache."""
        return cache.of_collection(self.path, self.region, is_searched=self.is_searched)

    def show(self, row: dict[str, Any], *, can_edit: bool) -> dict[str, Any]:
        """Return a selected row as the API sends it to a user who can edit it, or to others."""
        for column, shown in self.links.items():
            row[shown] = row.pop(column)
        if self.redact is not None and not can_edit:
            self.redact(row)
        for column in self.redact_by:
            del row[column]
        return row if can_edit else {**row, **self.hidden}
