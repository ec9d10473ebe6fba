"""What stands in for Gluetun in the lab; the recipe of its image."""
