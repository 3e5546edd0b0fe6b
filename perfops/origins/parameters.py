"""One set of real parameters as JSON, for plans with real values.

Only kinds that come back as they were; a statement with any other has no sample.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

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
    kind = type(value).__name__
    if kind not in _READ or (kind == "str" and len(value) > _LONGEST_TEXT):
        raise KeyError(kind)
    return [kind, value.isoformat() if isinstance(value, date) else str(value)]
