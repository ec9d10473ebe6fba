"""The folder of the shipped catalog, in a module of its own: most users of it do not need to read the catalog."""

from pathlib import Path

SHIPPED = Path(__file__).parent
