"""The driver for Docker Compose: desired and observed state, changes with their causes, and carrying them out."""
