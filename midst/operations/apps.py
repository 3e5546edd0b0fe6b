from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """What operators do with the running application: permissions, pages, commands."""

    name = "midst.operations"
    label = "operations"
