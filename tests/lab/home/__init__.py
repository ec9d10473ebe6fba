"""A home and the internet before its door, on one machine and in one closed network: a Docker host, a VPN provider, a cloud, a registry.

Each part is a class of its own with a check of its health and a log; `home.up` starts them all and takes all of them away again.
"""
