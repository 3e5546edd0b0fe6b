"""What the endpoints of ``/auth`` take and send."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field, StringConstraints

from midst.accounts.scopes import Scope
from midst.kernel.input import Input, Moment, text
from midst.kernel.output import Listing

# A password keeps its spaces and may hold anything a keyboard gives.
_Secret = Annotated[str, StringConstraints(strip_whitespace=False, min_length=1, max_length=1024)]


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
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
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
    """Shown this once."""


class ApiTokenList(Listing[ApiToken]):
    pass
