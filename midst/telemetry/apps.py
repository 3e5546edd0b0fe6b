"""Starts measuring as soon as Django is set up."""

from django.apps import AppConfig


class TelemetryConfig(AppConfig):
    name = "midst.telemetry"
    label = "telemetry"

    def ready(self) -> None:
        from midst.telemetry import database

        database.install()
