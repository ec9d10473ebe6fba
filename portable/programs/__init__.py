"""Programs that run inside containers, without portable. A program imports only Python's standard library and its own modules."""
