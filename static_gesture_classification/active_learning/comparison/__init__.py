"""Two classifiers, before and after: where the new one is better, and how sure that is."""
