"""Stacks and profiles: what is the same everywhere, and what a place offers. Holds no secret."""
