"""Repositories: plain functions that take a connection, a module per room."""
