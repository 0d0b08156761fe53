"""What the classifier confuses, how often, and what the errors have in common."""
