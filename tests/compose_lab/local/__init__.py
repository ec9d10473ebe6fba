"""The local profile with its real apps on a real engine."""
