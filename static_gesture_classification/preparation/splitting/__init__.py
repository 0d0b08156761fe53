"""Who goes to train, val and test: the assignment, near-duplicates, and the report."""
