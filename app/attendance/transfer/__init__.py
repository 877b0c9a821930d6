"""Import and export: readers of files, validation, batches, rejects, and the writer of an export."""
