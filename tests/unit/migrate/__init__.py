"""Tests of portable.migrate."""
