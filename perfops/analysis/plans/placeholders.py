"""From psycopg's placeholders to PostgreSQL's."""

import re

_PLACEHOLDER = re.compile(r"%(?:(%)|(?:\((?P<name>[^)]+)\))?[sbt])")


def numbered(text: str) -> str:
    """Return ``text`` with ``%s`` and ``%(name)s`` as ``$1``, ``$2``, and ``%%`` as ``%``.

    As psycopg does it: also within quotes. A text without any placeholder was sent as it is.
    """
    names: dict[str, int] = {}
    used = 0

    def number(match: re.Match[str]) -> str:
        nonlocal used
        if match[1]:
            return "%"
        name = match["name"]
        if name is not None and name in names:
            return f"${names[name]}"
        used += 1
        if name is not None:
            names[name] = used
        return f"${used}"

    changed = _PLACEHOLDER.sub(number, text)
    return changed if used else text
