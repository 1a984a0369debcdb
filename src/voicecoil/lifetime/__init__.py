"""Lifetime: interpreter exit, fork, background threads, and registries of live objects."""
