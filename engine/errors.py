"""What keeps Kameng from starting."""


class EngineError(Exception):
    """Something the person at the keyboard can put right: the message is one line and says how."""
