"""Django's PostgreSQL backend, which tells the cache before it commits.

Django runs hooks after a COMMIT only. A process that is killed between the COMMIT and its hooks
would leave the old answers standing; those that were marked before never count again.
"""

from django.db.backends.postgresql import base

from midst.kernel.cache import voiding


class DatabaseWrapper(base.DatabaseWrapper):
    def _commit(self) -> None:
        voiding.announce(self)
        super()._commit()  # type: ignore[misc]
