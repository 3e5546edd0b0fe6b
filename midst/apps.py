"""The one admin site, in place of Django's default; and perfops' writes in the audit log."""

from typing import Any

from django.contrib.admin.apps import SimpleAdminConfig
from django.http import HttpRequest


class AdminConfig(SimpleAdminConfig):
    """The site itself looks for the apps' pages, when its addresses are asked for or checked.

    With that a command that serves nothing, a Celery worker for one, does not import them: a fifth
    of the time of ``django.setup()``.
    """

    default_site = "midst.admin.MidstAdminSite"

    def ready(self) -> None:
        super().ready()
        # In every process: commands and workers load no API.
        from perfops.signals import written

        written.connect(_audited, dispatch_uid="audit:perfops")


def _audited(
    *, request: HttpRequest | None, action: str, subject: str, user: Any, by: str, **_: Any
) -> None:
    """Record what was asked of perfops: over REST, in the admin, at the terminal, by a schedule."""
    from midst.accounts import audit

    audit.record(audit.Event.OPERATION, request, actor=user, subject=subject, action=action, by=by)
