"""portable: one catalog of self-hosted media apps, run anywhere, moved with its data."""

__version__ = "0.1.0"
