# make play               plays a short piece of music, or FILE=any.flac
# make test               everything that must hold, on every Python that is here
# make bench              the measurements (not a test)
# make clean

PYTHON ?= $(shell command -v python3 || command -v python)
ENV = build/env
IN_ENV = $(ENV)/bin/python

.PHONY: play test bench lint format env clean

# In the environment, so that no shell looks into the name.
play: export VOICECOIL_PLAY_FILE = $(value FILE)
play: env
	@$(IN_ENV) tools/play.py

test:
	@$(PYTHON) tools/test.py

bench: env
	@$(IN_ENV) benchmarks/run.py

env:
	@$(PYTHON) tools/environment.py $(ENV)

clean:
	rm -rf build
