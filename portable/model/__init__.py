"""The terms of the program as types, independent of file formats and back ends."""
