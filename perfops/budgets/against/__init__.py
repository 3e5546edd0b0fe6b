"""Two builds run in turn: the relative gate, and which statement, line and commit it was."""
