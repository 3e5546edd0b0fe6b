"""What the views of Django REST framework take by POST, as their serializers say.

The framework is known by the names of its classes: perfops does not depend on it.
"""

from typing import Any

from django.test import RequestFactory
from django.utils import timezone

View = Any
Field = Any
_EMPTY_LISTS = ("ListSerializer", "ManyRelatedField", "ListField")


class UnknownBody(ValueError):
    """Nobody knows what to send; the message says why."""


def serializer(view: View, path: str) -> Any:
    """Return the serializer of what the URLconf's ``view`` makes by POST; None where it makes none.

    Raises whatever the project's view does.
    """
    kind: Any = getattr(view, "cls", None)
    actions = getattr(view, "actions", None)
    if not hasattr(kind, "get_serializer") or not hasattr(kind, "initialize_request"):
        return None
    makes = actions.get("post") == "create" if isinstance(actions, dict) else _creates(kind)
    if not makes:
        return None
    made: Any = kind(**getattr(view, "initkwargs", {}))
    made.action_map = actions
    made.args, made.kwargs, made.format_kwarg = (), {}, None
    made.request = made.initialize_request(RequestFactory().post(path))
    found = made.get_serializer()
    if not hasattr(getattr(found, "Meta", None), "model"):
        raise UnknownBody("nobody knows the model of what it makes")
    return found


def _creates(kind: Any) -> bool:
    return any(each.__name__ == "CreateModelMixin" for each in kind.__mro__)


def written(found: Any) -> dict[str, Field]:
    """Return by name what a client may send to the serializer ``found``."""
    return {
        name: each
        for name, each in found.fields.items()
        if not each.read_only and not _is(each, "HiddenField")
    }


def text_of(field: Field, mark: str, sample: str) -> str | None:
    """Return a text with ``mark`` in it that ``field`` takes; None where it takes none.

    ``sample``: what may stand for the mark later.
    """
    if not _is(field, "CharField"):
        return None
    forms = ("{}", "{}@example.invalid", "https://example.invalid/{}")
    return next((each.format(mark) for each in forms if _takes(field, each.format(sample))), None)


def _takes(field: Field, value: Any) -> bool:
    try:
        field.run_validation(value)
    except Exception as error:
        if hasattr(error, "detail"):  # the framework's ValidationError
            return False
        raise
    return True


def value_of(name: str, field: Field) -> Any:
    """Return a value that ``field`` takes. Raises ``UnknownBody``."""
    if _is(field, *_EMPTY_LISTS) and getattr(field, "allow_empty", True):
        return []
    if _is(field, "ManyRelatedField"):
        return [value_of(name, field.child_relation)]
    if _is(field, "ListSerializer", "ListField"):
        return [value_of(name, field.child)]
    if _is(field, "RelatedField"):
        return _row(field)
    if _is(field, "BaseSerializer"):
        needed = {each: its for each, its in written(field).items() if its.required}
        return {each: value_of(each, its) for each, its in needed.items()}
    if _is(field, "ChoiceField"):
        first = next(iter(field.choices))
        return [first] if _is(field, "MultipleChoiceField") else first
    return _plain(name, field)


def _plain(name: str, field: Field) -> Any:
    low = getattr(field, "min_value", None)
    number = 1 if low is None else low
    now = timezone.localtime()
    tries: tuple[Any, ...] = (
        False if _is(field, "BooleanField") else number,
        str(number),
        now.isoformat(timespec="seconds"),
        now.date().isoformat(),
        "load",
        "load@example.invalid",
        "https://example.invalid/",
        {},
    )
    found = next((each for each in tries if _takes(field, each)), None)
    if found is None:
        raise UnknownBody(f"nobody knows what it takes as {name}")
    return found


def _row(field: Field) -> Any:
    rows = field.get_queryset()
    row = rows.order_by("-pk").first() if rows is not None else None
    if row is None:
        raise UnknownBody("there is no row to refer to")
    return field.to_representation(row)


def _is(field: Field, *names: str) -> bool:
    return not {each.__name__ for each in type(field).__mro__}.isdisjoint(names)
