"""Operations: documents and their cache, permissions, and the run from a request to response bytes."""
