"""The pages: server-rendered, over the same services as the JSON API, with their own errors and headers."""
