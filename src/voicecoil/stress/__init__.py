"""Measurements of ``voicecoil stress``: each home of a callback under loads of the program.

Each measurement, one home under one load, runs in a process of its own.
"""
# This module imports nothing, because isolated interpreters import this package.
