"""Analyses: snapshots of a database's statistics, what advisors detect in them, and findings."""
