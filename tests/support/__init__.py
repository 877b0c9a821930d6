"""What the tests share: a recording database, records of a site, and a client that speaks GraphQL."""
