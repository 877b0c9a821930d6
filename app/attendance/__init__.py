"""The use cases of attendance: where plans, statements and the database meet."""
