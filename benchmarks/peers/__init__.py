"""What a request costs here and elsewhere: the same rows from the same servers, in one run."""
