"""The embedded servers: development only."""

from django.apps import AppConfig


class StackConfig(AppConfig):
    name = "midst.stack"
    label = "stack"

    def ready(self) -> None:
        from midst.stack import checks  # noqa: F401 -- importing registers
