"""A Kubernetes API server: connection, objects, their verdicts, and errors."""
