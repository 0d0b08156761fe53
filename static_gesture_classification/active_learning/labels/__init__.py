"""Labels that are probably wrong: find them, and decide on each."""
