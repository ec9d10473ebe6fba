"""Reads and writes YAML: files, lines and quoting, independent of their content."""
