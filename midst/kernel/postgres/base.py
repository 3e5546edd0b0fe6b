"""Django's PostgreSQL backend with one hook: the cache is told before each COMMIT.

Django calls ``on_commit`` hooks after the COMMIT only. A process that is killed in between would
leave old answers valid; groups that were set pending before the COMMIT never become valid again.
"""

from django.db.backends.postgresql import base

from midst.kernel.cache import invalidation


class DatabaseWrapper(base.DatabaseWrapper):
    def _commit(self) -> None:
        invalidation.before_commit(self)
        super()._commit()  # type: ignore[misc]
