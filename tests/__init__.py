"""The tests of the attendance service."""
