"""The kinds of a statement's parameters, harmless values of them, and one set of real values.

PostgreSQL's query id ignores the values of a statement but not their types, so an EXPLAIN with
harmless values of the same kinds has the id of the real statement, and no one's data is kept
or logged for it. A real set is kept as JSON, for plans with real values, where every value comes
back as it was.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

# A statement has few kinds of parameters; more of them are not looked up.
MOST = 8
# Bounds of int2, int4, int8: psycopg names the smallest type that holds a bound parameter.
_INTEGERS = ((2**15, 1), (2**31, 2**20), (2**63, 2**40))
_HARMLESS: tuple[tuple[type, Any], ...] = (
    (str, ""),
    (float, 1.0),
    (bytes, b""),
    (time, time(12)),
    (timedelta, timedelta(days=1)),
    (UUID, UUID(int=1)),
)


def signature(params: object) -> str:
    """Return a short hash that is equal for parameters of the same kinds."""
    return hashlib.blake2b(repr(_kinds(params)).encode(), digest_size=8).hexdigest()


def neutral(params: object) -> Any:
    """Return ``params`` with harmless values; what is of no kind known here stays itself."""
    if isinstance(params, Mapping):
        return {name: _neutral(value) for name, value in params.items()}
    return None if params is None else [_neutral(value) for value in _listed(params)]


def first_of(params: object) -> object:
    """Return the first set of parameters of an ``executemany``."""
    return params[0] if isinstance(params, Sequence) and params else None


def _listed(params: object) -> Sequence[Any]:
    return params if isinstance(params, Sequence) else ()


def _kinds(params: object) -> object:
    if isinstance(params, Mapping):
        return sorted((name, _kind(value)) for name, value in params.items())
    return None if params is None else [_kind(value) for value in _listed(params)]


def _kind(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"list of {_kind(_element(value))}"
    if isinstance(value, datetime):
        return f"datetime {value.tzinfo is not None}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"int {_integer(value)}"
    if isinstance(value, Decimal):
        return f"Decimal {_decimal(value)}"
    return type(value).__name__


def _neutral(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, list | tuple):
        return [_neutral(_element(value))] if value else []
    if isinstance(value, datetime):
        return datetime(2000, 1, 1, tzinfo=UTC if value.tzinfo else None)
    if isinstance(value, date):
        return date(2000, 1, 1)
    return next((harmless for kind, harmless in _HARMLESS if isinstance(value, kind)), value)


def _integer(value: int) -> int:
    return next((small for bound, small in _INTEGERS if -bound <= value < bound), 2**70)


def _decimal(value: Decimal) -> Decimal:
    """Written without a point, a number is an integer to PostgreSQL."""
    return Decimal(_integer(int(value)) if str(value).lstrip("-").isdigit() else "1.5")


def _element(values: Sequence[Any]) -> Any:
    """The widest element gives an array its type."""
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, int) for value in known):
        return max(known, key=abs)
    return known[0] if known else None


# A longer text is more likely content than a condition; a longer list than this no example.
_LONGEST_TEXT, _LONGEST_LIST = 200, 100
_READ: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "bool": lambda text: text == "True",
    "float": float,
    "Decimal": Decimal,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "UUID": UUID,
    "NoneType": lambda _: None,
}
# What a value may be an instance of, the narrower first: Django sends an integer as psycopg's Int4,
# a template's text as SafeString, a choice as a member of its enumeration.
_KEPT = (bool, int, float, Decimal, datetime, date, UUID, str, type(None))


def encode(params: object) -> str | None:
    """Return ``params`` as JSON; None when one of them is of no kind that can be kept."""
    if not isinstance(params, Sequence) or isinstance(params, str | Mapping):
        return None
    try:
        return json.dumps([_encoded(value) for value in params])
    except KeyError:
        return None


def decode(sample: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the parameters that ``encode`` wrote."""
    return [
        [decode([each])[0] for each in text] if kind == "list" else _READ[kind](text)
        for kind, text in sample
    ]


def _encoded(value: Any) -> list[Any]:
    """Raises ``KeyError`` for a value that can't be kept."""
    if isinstance(value, list | tuple):
        return ["list", [_encoded(each) for each in value[:_LONGEST_LIST]]]
    kind = next((each for each in _KEPT if isinstance(value, each)), None)
    if kind is None or (kind is str and len(value) > _LONGEST_TEXT):
        raise KeyError(type(value).__name__)
    if isinstance(value, date):
        return [kind.__name__, value.isoformat()]
    # The value itself, not as an enumeration writes its members.
    bare = kind(value) if kind in {int, float} else value[:] if kind is str else value
    return [kind.__name__, str(bare)]
