"""Programs of the catalog, built from source at the version that it pins: its facts are tried on them and not on a stand-in."""
