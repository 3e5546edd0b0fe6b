"""The embedded servers: development only."""

from django.apps import AppConfig


class StackConfig(AppConfig):
    name = "midst.stack"
    label = "stack"
