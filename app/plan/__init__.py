"""What to read and to write, as named tuples: filters, orders, pages, cursors, writes. Planning needs no database."""
