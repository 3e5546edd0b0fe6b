"""perfops over REST: runs with their verdicts, findings, incidents, budgets. Needs django-ninja."""
