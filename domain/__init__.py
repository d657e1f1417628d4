"""The rules of the community: pure functions and frozen models, no input or output."""
