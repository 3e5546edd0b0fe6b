"""What clients send: read strictly, refused with the name of the field."""

from typing import Annotated, Any, cast

import msgspec
from django.http import HttpRequest
from ninja import Schema
from ninja.parser import Parser
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, field_validator

from midst.kernel.problems import MALFORMED, WRONG_TYPE, Problem

_JSON = "application/json"
_DEEPEST = 20
_NO_CONTROL = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"


class StrictParser(Parser):
    """Reads JSON alone: 415 for another type, 400 for what is not JSON."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        if request.content_type != _JSON:
            raise Problem(WRONG_TYPE)
        try:
            return cast(dict[str, Any], msgspec.json.decode(request.body))
        except RecursionError as error:
            raise Problem(MALFORMED, "The JSON is nested too deeply.") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Problem(MALFORMED, f"The body is not JSON: {error}.") from error


def check_storable(value: Any, depth: int = 0) -> None:
    """Raise ``ValueError`` for text that PostgreSQL can't hold, and for bottomless nesting."""
    if depth > _DEEPEST:
        raise ValueError(f"nests deeper than {_DEEPEST} levels")
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError("contains a null character")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("contains half of a character (a lone surrogate)") from None
    elif isinstance(value, list):
        for each in value:
            check_storable(each, depth + 1)
    elif isinstance(value, dict):
        for key, each in value.items():
            check_storable(key, depth + 1)
            check_storable(each, depth + 1)


class Input(Schema):
    """A body: unknown fields are refused, nothing unstorable comes through."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    @field_validator("*", mode="before")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        check_storable(value)
        return value


def text(most: int, *, least: int = 0) -> Any:
    """A text of one line or more, ``least`` to ``most`` characters, without control characters."""
    return Annotated[str, StringConstraints(min_length=least, max_length=most, pattern=_NO_CONTROL)]


def _once_each(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


_Tag = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=_NO_CONTROL)]


def tags(most: int = 30) -> Any:
    """A list of at most ``most`` tags of 50 characters; one that comes twice is kept once."""
    return Annotated[list[_Tag], Field(max_length=most), AfterValidator(_once_each)]
