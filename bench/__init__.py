"""Measurements: each is a ratio of two things measured in turn on the same machine, not a rate."""
