"""The user's code: native functions, isolated interpreters, and values passed into callbacks."""
