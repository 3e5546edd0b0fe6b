"""Deterministic budgets: what a request of each route costs, counted, against a committed file."""
