"""A Docker engine and Docker Compose: connect, observe, execute, images, errors."""
