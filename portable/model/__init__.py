"""The words of the program as types; knows no file format and no back end."""
