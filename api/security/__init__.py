"""Who is asking, and may they: sign-in, sessions, tokens, second factors and the rules of every route."""
