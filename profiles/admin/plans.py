"""Plans, and what of them is used."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from profiles.admin.large import OfProfile
from profiles.models import Subscription, UsageQuota


@admin.register(Subscription)
class SubscriptionAdmin(OfProfile):
    list_display = ["profile", "tier", "status", "period_end", "cancel_at"]
    list_filter = ["tier", "status"]


@admin.register(UsageQuota)
class UsageQuotaAdmin(OfProfile):
    """What was used is history."""

    list_display = ["profile", "feature", "used", "period_start", "period_end"]
    readonly_fields = []

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
