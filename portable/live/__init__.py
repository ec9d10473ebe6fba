"""Makes a stack run: desired + observed -> changes with a cause each; carries them out and waits. Decides nothing that a plan decides."""
