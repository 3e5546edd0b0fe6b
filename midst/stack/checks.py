"""System checks of the embedded stack."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register()
def database_is_known(**_: Any) -> list[CheckMessage]:
    """Development without a database: say so before a driver does."""
    if settings.DATABASES["default"]["NAME"] != NOWHERE:
        return []
    return [
        Error(
            "There is no database.",
            hint="Run `make run` (or `make up`) first, or set DATABASE_URL and REDIS_URL.",
            id="stack.E001",
        )
    ]


# Development's settings must load before the stack has ever been started.
NOWHERE = "nowhere"
