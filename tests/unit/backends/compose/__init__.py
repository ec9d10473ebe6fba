"""Tests of rendering for Docker Compose."""
