"""Plans: asked of PostgreSQL, read as a tree, told apart by their shape, and why they changed."""
