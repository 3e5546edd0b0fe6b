"""Real servers for the tests: those the environment names, else embedded ones of our own."""
