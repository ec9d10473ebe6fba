"""The program of the container `backup`: backs up the apps' state to a store, and puts it back. See docs/adr/0010-backups.md."""
