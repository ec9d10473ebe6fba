"""One read-only page about a running place: proven, broken and unknown facts, each with the command that acts."""
