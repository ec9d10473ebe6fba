# The backups of the apps named in the arguments, a line of JSON for each; run in the container that makes backups, and only read.
exec python3 /upkeep/backup.py list "$@" --json
