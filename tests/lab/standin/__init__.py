"""The program that stands in for an app whose image can't be had. It runs in a container, with Python alone; see tests/lab/standins.py."""
