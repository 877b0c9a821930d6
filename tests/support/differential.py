"""How many random operations are run by both paths; `--differential-cases` of pytest sets another number."""

CASES = 3_000
