"""The bootstrap script on this machine and on bare ones."""
