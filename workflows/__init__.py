"""Orchestration only: what waits for whom, for how long, and what then."""
