"""What perfops tells Prometheus (rules made from budgets) and asks of it."""
