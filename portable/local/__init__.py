"""Private files and locks on this machine."""
