"""Tests of `portable.backends`."""
