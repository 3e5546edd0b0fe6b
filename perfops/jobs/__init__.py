"""Long work in the background: who claimed it, whether its worker is alive, how it ends."""
