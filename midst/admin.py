"""Midst's admin site. Every app registers with Django's ``admin.site``, which is this one."""

from django.contrib import admin


class MidstAdminSite(admin.AdminSite):
    site_header = "Midst"
    site_title = "Midst"
    index_title = "Operations"
