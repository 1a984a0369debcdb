"""Where the parts of this project are, for tests and the helpers beside this file."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
LIVES = TESTS / "lives"  # programs that a test runs in processes of their own
SERVERS = TESTS / "servers"
MODELS = TESTS / "models"
EXAMPLES = ROOT / "examples"
BENCHMARKS = ROOT / "benchmarks"
TOOLS = ROOT / "tools"
DOCS = ROOT / "docs"
