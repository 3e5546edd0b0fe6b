"""What perfops needs of a database connection: its own session, quoting, timestamps."""
