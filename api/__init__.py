"""The HTTP side: the JSON API now, pages beside it over the same services."""
