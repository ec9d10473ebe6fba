"""What keeps a stack in good order over time: backup, restore, updates, scheduled tasks."""
