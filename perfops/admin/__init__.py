"""The pages of perfops in Django's admin."""

from perfops.admin import analyses, budgets, findings, queries, runs, schedule_list, scopes

__all__ = ["analyses", "budgets", "findings", "queries", "runs", "scopes"]

schedule_list.register()
