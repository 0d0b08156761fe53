"""Searching the settings of a training: many short trainings, of which the bad ones are stopped early."""
