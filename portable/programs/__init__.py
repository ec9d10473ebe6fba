"""Programs that run inside containers, where portable is not installed. They import Python's standard library and one another only."""
