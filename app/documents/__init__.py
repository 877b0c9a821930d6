"""From a text to its operations: parsed, validated, held against the limits, and kept in bounded caches."""
