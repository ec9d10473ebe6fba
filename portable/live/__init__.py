"""Runs a stack: compares desired and observed state, applies the changes, and waits. It leaves all decisions to the plan."""
