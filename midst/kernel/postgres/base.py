"""Django's PostgreSQL backend with two hooks: before each COMMIT, and when nobody answers.

The cache is told before each COMMIT.

Django calls ``on_commit`` hooks after the COMMIT only. A process that is killed in between would
leave old answers valid; groups that were set pending before the COMMIT never become valid again.
"""

from django.db.backends.postgresql import base

from midst.kernel.cache import invalidation


class DatabaseWrapper(base.DatabaseWrapper):
    def connect(self) -> None:
        try:
            super().connect()
        except Exception:
            # Not above: settings name this module before there are any.
            from midst.telemetry import database

            database.count_failed_connection(self)
            raise

    def _commit(self) -> None:
        invalidation.before_commit(self)
        super()._commit()  # type: ignore[misc]
