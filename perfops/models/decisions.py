"""What people decided about budgets: other bounds, and violations that are accepted for a while."""

from django.conf import settings
from django.db import models

from perfops.models.budgets import Budget


class BudgetChange(models.Model):
    """What a budget was and became: by whom, when and why. It outlives the budget."""

    budget = models.ForeignKey(Budget, models.SET_NULL, null=True, related_name="changes")
    name = models.CharField(max_length=300)
    what = models.TextField()
    why = models.TextField()
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.what}"


class Waiver(models.Model):
    """A violation that is accepted until ``ends_at``: it is shown, and fails nothing."""

    budget = models.CharField(
        max_length=300,
        help_text="As reports name it, such as: p95 latency; p95 of /api/orders; "
        "statements of /api/orders.",
    )
    reason = models.TextField(help_text="Reports show it: why is it accepted, and what comes?")
    ends_at = models.DateTimeField("ends")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.budget} until {self.ends_at:%Y-%m-%d}"
