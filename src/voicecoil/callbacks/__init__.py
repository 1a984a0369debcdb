"""Kinds of callbacks: native functions, isolated interpreters, and values passed to callbacks."""
