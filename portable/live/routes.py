"""Reads the routing table of a host. Pure."""

import ipaddress
import socket
import struct


def routes_of(table: str) -> dict[str, str]:
    """Return each network of a `/proc/net/route` with its interface, without the default route. Its numbers have the host's byte order."""
    routes = {}
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        interface, destination, mask = fields[0], fields[1], fields[7]
        try:
            address = socket.inet_ntoa(struct.pack("<L", int(destination, 16)))
            length = int(mask, 16).bit_count()
            network = ipaddress.ip_network(f"{address}/{length}")
        except ValueError:
            continue
        if length:
            routes[str(network)] = interface
    return routes
