"""Starts measuring as soon as Django is set up."""

from django.apps import AppConfig


class TelemetryConfig(AppConfig):
    name = "midst.telemetry"
    label = "telemetry"

    def ready(self) -> None:
        from midst.telemetry import celery, database, sentry
        from midst.telemetry.shared import aggregate

        database.install()
        celery.install()
        sentry.start()
        aggregate.fold_if_many()
