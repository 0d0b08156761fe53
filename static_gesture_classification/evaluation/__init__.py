"""Predictions table, metrics, figures, the evaluate stage, and choosing the best epoch."""
