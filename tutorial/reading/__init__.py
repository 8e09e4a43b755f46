"""How stored results are read: the table, its pages, and the decoding of their columns."""
