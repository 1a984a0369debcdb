"""Real sound servers that the tests start and end."""
