"""What budgets measure: one module per metric, found by ``registry``; see ``metric``."""
