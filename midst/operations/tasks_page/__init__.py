"""The page of tasks: whether workers and beat live, and what waits for them."""
