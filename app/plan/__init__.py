"""What to read, as frozen dataclasses: filters, orders, pages and cursors, planned without a database."""
