"""A real Kubernetes of two nodes, each node a container of the lab's closed network."""
