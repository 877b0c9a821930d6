"""Attendance records on their way in and out: readers, validation, batches, rejects and the writer of an export."""
