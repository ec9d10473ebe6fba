"""The profile of a command that names none: names only, so that the command line can import them without the loaders."""

DEFAULT_PROFILE = "local"
PROFILE_VARIABLE = "PORTABLE_PROFILE"
