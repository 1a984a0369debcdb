"""Simulated devices without hardware, for machines without sound and for tests."""
