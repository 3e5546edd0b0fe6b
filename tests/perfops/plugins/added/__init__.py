"""What another app adds to perfops, without a change to perfops."""
