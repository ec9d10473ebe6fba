"""Stacks and profiles: the settings for all places, and the settings of one place. Contains no secrets."""
