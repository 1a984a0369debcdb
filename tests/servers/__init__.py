"""Real sound servers for the tests, started and ended by them."""
