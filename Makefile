# make play               plays a short piece of music, or FILE=any.flac
# make test               all checks and tests; ARGS=--long: more repetitions, all on every Python
# make docs               the documentation site, with its examples run
# make bench              the measurements (not a test), beside rtmixer, pygame.mixer and pedalboard
# make bench-peers        compared with other libraries, on real servers (needs jackd2, pulseaudio, portaudio19-dev)
# make bench-hostile      the same while other code of the program disturbs the sound
# make bench-long         ten minutes on PulseAudio while all cores are busy
# make clean

PYTHON ?= $(shell command -v python3 || command -v python)
ENV = build/env
IN_ENV = $(ENV)/bin/python

.PHONY: play test docs bench bench-peers bench-hostile bench-long env env-bench env-peers clean

# The name is passed in the environment, so that no shell interprets it. make would also export FILE
# after expanding it, which would run FILE='$(shell ...)'.
unexport FILE
play: export VOICECOIL_PLAY_FILE = $(value FILE)
play: env
	@$(IN_ENV) tools/play.py

test:
	@$(PYTHON) tools/test.py $(ARGS)

docs:
	@$(PYTHON) tools/environment.py build/env-docs docs
	@build/env-docs/bin/python tools/docs.py

bench: env-bench
	@build/env-bench/bin/python benchmarks/run.py

bench-peers: env-peers
	@PYTHONPATH=benchmarks:tests build/env-peers/bin/python benchmarks/peers/run.py

bench-hostile: env-peers
	@PYTHONPATH=benchmarks:tests build/env-peers/bin/python benchmarks/peers/run_hostile.py

bench-long: env-peers
	@PYTHONPATH=tests:benchmarks build/env-peers/bin/python benchmarks/peers/long_play.py

env-bench:
	@$(PYTHON) tools/environment.py build/env-bench test mixers

env-peers:
	@$(PYTHON) tools/environment.py build/env-peers test peers

env:
	@$(PYTHON) tools/environment.py $(ENV)

clean:
	rm -rf build
