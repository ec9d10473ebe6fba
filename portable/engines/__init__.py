"""The thin edges to engines: they read, write and translate errors. They decide nothing."""
