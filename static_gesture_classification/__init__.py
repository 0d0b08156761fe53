"""Teach a machine static hand gestures: train, see what is confused, record exactly that, know it got better."""
