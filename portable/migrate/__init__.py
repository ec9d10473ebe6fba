"""Moves an app's files from one place to another, with proof: manifests by a second reader, losses named first, a journal of steps."""
