"""What lies on this machine: private files and locks."""
