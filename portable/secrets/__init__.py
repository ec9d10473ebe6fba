"""Secrets: the needs of a plan, sources of values, storage, digests, and the forms that apps require."""
