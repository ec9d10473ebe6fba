"""Unit tests of what the lab is made from."""
