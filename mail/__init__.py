"""Mail: rendering in the reader's language, and the transports that hand it over."""
