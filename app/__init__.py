"""The attendance service: who attended which booked session, read over GraphQL."""
