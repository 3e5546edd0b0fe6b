"""Bodies of the requests and responses of ``/auth``."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from ninja import Schema
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from midst.accounts.models import NEEDED_WITH, Scope
from midst.kernel.input import Input, Moment, text
from midst.kernel.pagination import Listing

# A password keeps its spaces, and may hold any character.
_Secret = Annotated[str, StringConstraints(strip_whitespace=False, min_length=1, max_length=1024)]


def _complete(scopes: list[Scope]) -> list[Scope]:
    for scope in scopes:
        for needed in NEEDED_WITH.get(scope, ()):
            if needed not in scopes:
                raise ValueError(f"{scope} needs {needed} as well")
    return scopes


class Credentials(Input):
    model_config = ConfigDict(
        str_strip_whitespace=False,
        json_schema_extra={"examples": [{"username": "ada", "password": "correct horse"}]},
    )
    username: Annotated[str, StringConstraints(min_length=1, max_length=150)]
    password: _Secret


class Refresh(Input):
    refresh: _Secret


class Tokens(Schema):
    access: str
    access_expires_in: int
    """Seconds."""
    refresh: str
    refresh_expires_at: datetime
    token_type: str


class NewApiToken(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "nightly export", "scopes": ["profiles:read"]}],
        }
    )
    name: str = text(100)
    scopes: Annotated[
        list[Scope], Field(min_length=1, max_length=len(Scope)), AfterValidator(_complete)
    ]
    expires_at: Moment | None = None
    """At most a year from now; 90 days when it is left out."""


class ApiToken(Schema):
    id: UUID
    name: str
    hint: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class ShownApiToken(ApiToken):
    token: str
    """Shown once, in this answer only."""


class ApiTokenList(Listing[ApiToken]):
    pass
