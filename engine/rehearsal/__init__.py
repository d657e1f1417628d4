"""Rehearsals: a whole small Kameng in a process of its own, which knows nothing of the real one.

``stage`` is the worker's side: it starts that process, watches it and clears up after it. ``world``,
``cast`` and ``figures`` are what happens inside.
"""
