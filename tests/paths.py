"""Paths of the parts of this project, for tests and their helpers."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
LIVES = TESTS / "lives"  # programs that tests run in processes of their own
SERVERS = TESTS / "servers"
MODELS = TESTS / "models"
EXAMPLES = ROOT / "examples"
BENCHMARKS = ROOT / "benchmarks"
TOOLS = ROOT / "tools"
DOCS = ROOT / "docs"
