"""Performance operations for Django: analysis, load runs, budgets, query origins."""

__version__ = "0.2.0"
