"""What Kameng keeps is its owner's alone, however a process of it was started."""

import os


def keep_private() -> None:
    """Let files and directories that this process makes from here on be its owner's alone."""
    os.umask(0o077)
