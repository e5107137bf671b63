"""The tables of files: one query, one function."""
