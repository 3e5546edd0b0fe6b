"""The one admin site, in place of Django's default."""

from django.contrib.admin.apps import SimpleAdminConfig


class AdminConfig(SimpleAdminConfig):
    """The site itself looks for the apps' pages, when its addresses are asked for or checked.

    With that a command that serves nothing, a Celery worker for one, does not import them: a fifth
    of the time of ``django.setup()``.
    """

    default_site = "midst.admin.MidstAdminSite"
