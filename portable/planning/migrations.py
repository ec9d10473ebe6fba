"""The time that an app gets to start where its version may migrate its state for hours."""

from portable.catalog.facts import AppFacts
from portable.model.versions import numbers_of, padded, version_of

MIGRATION_SECONDS = 24 * 3600
"""Measured by people: hours for a large library. A check that gives up earlier would kill the migration, and damage the state."""


def migration_seconds(facts: AppFacts, container: str) -> int:
    """The least time that a container gets to start; 0 unless its version, or an older one, may migrate the app's state for hours.

    What ran before is not known here, so each start gets the time: one without a migration is done in seconds all the same.
    """
    if container != "main" or not facts.one_way:
        return 0
    image = facts.containers[container].image
    version = version_of(f"{image.repository}:{image.tag}")
    slow = (fact.version for fact in facts.one_way if fact.slow)
    return MIGRATION_SECONDS if version and any(padded(numbers_of(first)) <= padded(version) for first in slow) else 0
