"""Starts measuring as soon as Django is set up."""

from django.apps import AppConfig


class TelemetryConfig(AppConfig):
    name = "midst.telemetry"
    label = "telemetry"

    def ready(self) -> None:
        from midst.telemetry import celery, database, heartbeats, redis, sentry
        from midst.telemetry.shared import gathering

        database.install()
        redis.install()
        celery.install()
        heartbeats.install()
        sentry.start()
        gathering.fold_if_many()
