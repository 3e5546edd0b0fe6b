"""Permissions of operators on things that have no table."""

from django.db import models


class Cache(models.Model):
    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("view_cache", "Can see how the cache does"),
            ("clear_cache", "Can clear the cache"),
        ]
        verbose_name = "cache"
        verbose_name_plural = "cache"

    def __str__(self) -> str:
        return "cache"
