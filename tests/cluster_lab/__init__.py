"""The ring with a real Kubernetes of two nodes: nodes run pods, pull images, answer probes and mount volumes."""
