"""The program of the container `backup`: backs up the apps' state to a store, and restores it. See docs/adr/0010-backups.md."""
