"""What a user says, checked and told back: schemas, overrides, sets, preflight, messages, progress."""
