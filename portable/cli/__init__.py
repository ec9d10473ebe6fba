"""The command line: parse, one call, show. The only place that prints and exits."""

import sys

from portable.cli.errors import report


def main() -> None:
    """Run one command; every error ends as text on standard error and an exit code (0, 1, 2, 3, 4 or 130)."""
    from portable.cli.app import app

    sys.exit(report(lambda: app(standalone_mode=False)))
