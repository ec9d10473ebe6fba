"""A stand-in for Gluetun v3.41.3: its settings, its firewall, routes, names, health and ports, around a real tunnel.

It behaves as the real program wherever a promise of `portable` depends on it, in what goes wrong as well: it fails open, ignores names of
variables that it does not know, and leaves behind what the real one leaves. Facts: docs/facts/gluetun.md, and the source of v3.41.3 (`cmd`,
`internal`). It has no lists of servers, no block lists, no proxies and does not ask for its public address.
"""
