"""The ring of moves: whole trees between real file systems, killed moves, and proofs that have to notice damage. Needs root, no engine."""
