"""The time that an app gets to start where its version may migrate its state for hours."""

from portable.catalog.facts import AppFacts

MIGRATION_SECONDS = 24 * 3600
"""Measured by people: hours for a large library. A check that gives up earlier would kill the migration, and damage the state."""


def migration_seconds(facts: AppFacts, container: str) -> int:
    """The least time that a container gets to start; 0 unless a version of its app may migrate the state for hours.

    What ran before is not known here, and a tag may name no version, so each start gets the time: others are done in seconds all the same.
    """
    return MIGRATION_SECONDS if container == "main" and any(fact.slow for fact in facts.one_way) else 0
