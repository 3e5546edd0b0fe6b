"""Profiles and what belongs to them, over HTTP: what many endpoints take, who may ask them."""

from typing import Annotated

from ninja import Query

from midst.accounts.access import Reads, Requires
from midst.accounts.models import Scope
from midst.kernel.pagination import MAX_LIMIT

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str, Query(max_length=1000, pattern=r"^[A-Za-z0-9_-]*$")]

ANYONE = Reads(Scope.PROFILES_READ)
READER = Requires(Scope.PROFILES_READ)
WRITER = Requires(Scope.PROFILES_WRITE)


def staff(permission: str) -> Requires:
    """Return the access of members of staff with this permission; of no personal token."""
    return Requires(None, permission=f"profiles.{permission}")
