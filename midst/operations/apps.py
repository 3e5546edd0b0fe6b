from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """What operators may do to the running whole, and the commands they do it with."""

    name = "midst.operations"
    label = "operations"
