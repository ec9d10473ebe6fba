"""Times as engines, API servers and names of backups write them."""

from datetime import UTC, datetime


def seconds_of(moment: str) -> float:
    """Return a time of RFC 3339 as seconds since 1970, in UTC if it names no zone; 0 for a text that is not a time."""
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        return 0.0
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
