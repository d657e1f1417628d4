"""The side effects that workflows order: a class per room, its database injected."""
