"""Performance budgets: what they measure, the verdict on a load run, and Prometheus rules."""
