"""Tests that mirror the source: one file of tests a file of the package."""
