"""Midst's admin: one site, and the pages that belong to no app."""

from midst.admin.site import MidstAdminSite

__all__ = ["MidstAdminSite"]
