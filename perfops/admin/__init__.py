"""The pages of perfops in Django's admin."""

from perfops.admin import analyses, budgets, findings, queries, runs, scopes

__all__ = ["analyses", "budgets", "findings", "queries", "runs", "scopes"]
