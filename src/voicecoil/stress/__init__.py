"""``voicecoil stress``: each home of a callback, while the rest of the program does its worst.

Each measurement, one home under one load, is a process of its own.
"""
# Isolated interpreters import this package: nothing is imported here.
