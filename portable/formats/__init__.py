"""Reading and writing YAML: knows files, lines and quoting, and nothing of what they are about."""
