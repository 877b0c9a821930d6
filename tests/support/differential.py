"""How many cases random tests draw; options of pytest set other numbers."""

# Operations that the engine and a plain execution both run: `--differential-cases`.
CASES = 3_000
# Pages of absences that are compared with a model's: `--absence-cases`.
ABSENCE_CASES = 1_000
