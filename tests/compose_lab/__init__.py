"""Tests on a real Compose engine."""
