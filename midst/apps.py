"""The one admin site, in place of Django's default."""

from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AdminConfig(DjangoAdminConfig):
    default_site = "midst.admin.MidstAdminSite"
