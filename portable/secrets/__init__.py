"""Secrets: which a plan needs, where values come from, how they are stored, digests and the forms that apps want."""
