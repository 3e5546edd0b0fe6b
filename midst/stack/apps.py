"""The embedded servers: development only."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

# Development's settings must load before the stack has ever been started.
NOWHERE = "nowhere"


class StackConfig(AppConfig):
    name = "midst.stack"
    label = "stack"


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
