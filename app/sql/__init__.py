"""Plans rendered as SQL text with numbered parameters; nothing here sends it."""
