"""The database: tables, the way to run statements, repositories and migrations."""
