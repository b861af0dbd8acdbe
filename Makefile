# make demo        generate images with FreeU off and on, side by side: out/demo.png
# make playground  serve the extension without a WebUI: http://127.0.0.1:7860
# make tune        find values by choosing between images of the playground's model (docs/tune.md)
# make test        test every part of the project, in less than three minutes on two cores
# make test-all    run every test on gradio 3.41.2 (AUTOMATIC1111, reForge, Forge Classic), then the extension's on
#                  gradio 4.40.0 (Forge, Forge Neo)
# make test-slow   run only the tests that make test leaves out
# make test-oldest run the tests of make test on Python 3.10 and torch 2.1.2, as in AUTOMATIC1111 (2.5 GB of packages)
# make test-newest run the quick tests that depend on versions on Python 3.13, as in Forge Neo (5 GB of packages)
# make test-forge  run only the extension's tests, on gradio 4.40.0
# make e2e URL=http://127.0.0.1:7860   run the API tests against a WebUI at this address (leaves two presets there)
# make lint        check style and types
# make bench       compare the cost of FreeU with other implementations (benchmarks/README.md)
# make figures     measure the paper's claims on the playground's model: docs/analysis.md (runs make emoji)
# make unfinished  train models that are not finished, and measure FreeU on them: docs/analysis.md (two hours)
# make emoji       download the training images (npm); then: make train evaluate

PYTHON ?= python3
PYTHON310 ?= python3.10
PYTHON313 ?= python3.13
VENV := .venv
FORGE := .venv-forge
OLDEST := .venv-oldest
NEWEST := .venv-newest
RUN := $(VENV)/bin/python
EMOJI := emoji-datasource-google@16.0.0
URL := http://127.0.0.1:7860
PIP := -m pip install --quiet --disable-pip-version-check

.PHONY: demo playground tune test test-all test-slow test-forge test-oldest test-newest e2e lint bench figures unfinished train evaluate clean

demo: $(VENV)/ready
	$(RUN) -m playground demo --out out/demo.png

playground: $(VENV)/ready
	$(RUN) -m playground serve

# The playground runs as long as the search. Ctrl-C stops both.
tune: $(VENV)/tune
	$(RUN) -m playground serve & trap "kill $$!" EXIT; \
	$(RUN) -m freeu tune --url http://127.0.0.1:7860 --prompt "red apple" --prompt "tiger face" \
		--prompt "tropical fish" --prompt "birthday cake" --size 256x256 --steps 10 --sampler-name Euler --cfg 3

# All tests of a file run in one process, so that each process starts its host and Chromium once.
QUICK_TESTS := pytest -m "not slow" -n auto --maxprocesses 4 --dist loadfile

test: $(VENV)/tune
	$(RUN) -m $(QUICK_TESTS)

# One process: the browser tests have timeouts, and each of them keeps two cores busy.
test-slow: $(VENV)/tune
	OMP_NUM_THREADS=1 $(RUN) -m pytest -m slow

test-all: test test-slow test-forge

test-forge: $(FORGE)/ready
	OMP_NUM_THREADS=1 $(FORGE)/bin/python -m pytest tests/webui

test-oldest: $(OLDEST)/ready
	$(OLDEST)/bin/python -m $(QUICK_TESTS) --ignore tests/tune

# What depends on the versions of Python, gradio, torch, numpy and Pillow. Others: the tests of make test.
VERSIONED := tests/webui $(addprefix tests/test_,architecture.py backbone.py hooks.py metadata.py operation_counts.py \
	recorder.py schedule.py skip.py spectrum.py unet.py user_presets.py)

test-newest: $(NEWEST)/ready
	$(NEWEST)/bin/python -m $(QUICK_TESTS) $(VERSIONED)

e2e: $(VENV)/ready
	FREEU_URL=$(URL) $(RUN) -m pytest tests/webui/test_http.py

lint: $(VENV)/tune
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

bench: $(VENV)/ready
	$(RUN) -m benchmarks

figures: $(VENV)/ready emoji
	$(RUN) -m playground figures --out docs/analysis --page docs/analysis.md

SNAPSHOTS := 300 600 1200 2000 4000 6000

unfinished: $(VENV)/ready emoji
	$(RUN) -m playground train --all --steps 6000 $(SNAPSHOTS:%=--snapshot %) --checkpoint training/all.pt --weights training/all.safetensors
	$(RUN) -m playground figures --only unfinished --only unfinished-images --out docs/analysis --page docs/analysis.md

$(VENV)/ready: requirements/a1111.txt
$(FORGE)/ready: requirements/forge.txt
$(OLDEST)/ready: requirements/oldest.txt
$(OLDEST)/ready: PYTHON := $(PYTHON310)
$(NEWEST)/ready: requirements/neo.txt
$(NEWEST)/ready: PYTHON := $(PYTHON313)
# gradio asks for an older one, and Neo installs this one all the same.
$(NEWEST)/ready: UNRESOLVED := pillow==12.2.0

# ldm is Stability's own UNet. Only its training needs the other dependencies of its package.
$(VENV)/ready $(FORGE)/ready $(OLDEST)/ready $(NEWEST)/ready: requirements/dev.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit("FreeU is developed on Python 3.10 to 3.13: make PYTHON=python3.11" if not (3, 10) <= sys.version_info < (3, 14) else 0)'
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python $(PIP) -r $(firstword $(filter-out requirements/dev.txt,$(filter requirements/%,$^)))
	$(@D)/bin/python $(PIP) --no-deps stable-diffusion-sdkit==2.1.5 $(UNRESOLVED)
	@touch $@

$(VENV)/tune: $(VENV)/ready requirements/tune.txt requirements/tune-tests.txt
	$(RUN) $(PIP) -r requirements/a1111.txt -r requirements/tune-tests.txt
	@touch $@

emoji:
	mkdir -p emoji.new
	cd emoji.new && tar -xzf "$$(npm pack --silent $(EMOJI))" && rm -f *.tgz
	mv emoji.new emoji

train: $(VENV)/ready emoji
	$(RUN) -m playground train

evaluate: $(VENV)/ready emoji
	$(RUN) -m playground evaluate

clean:
	rm -rf $(VENV) $(FORGE) $(OLDEST) $(NEWEST) out
