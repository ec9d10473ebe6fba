"""The full form of every claim: `python -m tests.prove first` prints a line a claim, its figure, its bar, and whether it holds."""
