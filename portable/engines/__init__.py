"""The thin edges to engines: they look, carry out and translate errors. They decide nothing."""
