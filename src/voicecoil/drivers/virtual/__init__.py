"""A device made of a clock, for machines without sound and for tests."""
