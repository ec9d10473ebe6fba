"""The profiles that are shipped, by name."""

from portable.profiles.load import SHIPPED

PROFILES = tuple(sorted(file.stem for file in SHIPPED.glob("*.yaml")))
