# make demo        generate images with FreeU off and on, side by side: out/demo.png
# make playground  serve the extension without a WebUI: http://127.0.0.1:7860
# make tune        find values by choosing between images of the playground's model (docs/tune.md)
# make test        test every part of the project but research/, in about four minutes on two cores
# make test-all    run every test on gradio 3.41.2 (AUTOMATIC1111, reForge, Forge Classic), then those of the page and
#                  the API on gradio 4.40.0 (Forge, Forge Neo)
# make test-slow   run only the tests that make test leaves out
# make test-oldest run what depends on torch, Pillow or Python on torch 2.1.2, Pillow 9.5 and Python 3.10, as in
#                  AUTOMATIC1111 (2.5 GB of packages)
# make test-newest run the same on Python 3.13, numpy 2.3.5 and Pillow 12.2, as in Forge Neo (5 GB of packages)
# make test-forge  run what depends on gradio, on gradio 4.40.0
# make test-times  print the seconds of each test file of make test, in one process, as in CONTRIBUTING.md
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

.PHONY: demo playground tune test test-times test-all test-slow test-forge test-oldest test-newest e2e lint bench figures unfinished train evaluate clean

demo: $(VENV)/ready
	$(RUN) -m playground demo --out out/demo.png

playground: $(VENV)/ready
	$(RUN) -m playground serve

# The playground runs as long as the search. Ctrl-C stops both.
tune: $(VENV)/tune
	$(RUN) -m playground serve & trap "kill $$!" EXIT; \
	$(RUN) -m freeu tune --url http://127.0.0.1:7860 --prompt "red apple" --prompt "tiger face" \
		--prompt "tropical fish" --prompt "birthday cake" --size 256x256 --steps 10 --sampler-name Euler --cfg 3

# A process takes tests in their order, so that it starts its host and Chromium once, and none waits for the last file.
IN_PARALLEL := -n auto --maxprocesses 4 --dist worksteal
QUICK_TESTS := pytest -m "not slow" $(IN_PARALLEL)

test: $(VENV)/tune
	$(RUN) -m $(QUICK_TESTS)

test-times: $(VENV)/tune
	OMP_NUM_THREADS=1 $(RUN) -m pytest -m "not slow" --durations=0 --durations-min=0.001 | awk ' \
		/s (setup|call|teardown) / {split($$3, test, "::"); seconds[test[1]] += $$1} \
		END {for (file in seconds) printf "| `%s` | %.0f |\n", file, seconds[file]}' | sort -t "|" -k 3nr

# The browser tests in one process: they have timeouts, and each of them keeps two cores busy.
test-slow: $(VENV)/tune
	$(RUN) -m pytest -m "slow and not browser" $(IN_PARALLEL)
	OMP_NUM_THREADS=1 $(RUN) -m pytest -m "slow and browser"

test-all: test test-slow test-forge

# What depends on gradio, fastapi and pydantic: the page, the API and the host itself.
FORGE_TESTS := $(addprefix tests/webui/test_,browser.py callbacks.py curve_editor.py diagnostics.py host.py http.py \
	localisation.py preset_panel.py script.py xyz.py)

test-forge: $(FORGE)/ready
	OMP_NUM_THREADS=1 $(FORGE)/bin/python -m pytest $(FORGE_TESTS)

# What depends on torch and Pillow, and, for Python 3.10, tests that import every module of the extension.
VERSIONED_TESTS := $(addprefix tests/test_,architecture.py backbone.py cli.py hooks.py metadata.py operation_counts.py \
	other_tools.py recorder.py skip.py spectrum.py unet.py user_presets.py) \
	$(addprefix tests/webui/test_,callbacks.py diagnostics.py http.py job.py script.py)

test-oldest: $(OLDEST)/ready
	$(OLDEST)/bin/python -m $(QUICK_TESTS) $(VERSIONED_TESTS)

test-newest: $(NEWEST)/ready
	$(NEWEST)/bin/python -m $(QUICK_TESTS) $(VERSIONED_TESTS)

e2e: $(VENV)/ready
	FREEU_URL=$(URL) $(RUN) -m pytest tests/webui/test_http.py

lint: $(VENV)/tune
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

bench: $(VENV)/ready
	$(RUN) -m benchmarks

figures: $(VENV)/ready emoji
	$(RUN) -m research figures --out docs/analysis --page docs/analysis.md

SNAPSHOTS := 300 600 1200 2000 4000 6000

unfinished: $(VENV)/ready emoji
	$(RUN) -m research train --all --steps 6000 $(SNAPSHOTS:%=--snapshot %) --checkpoint training/all.pt --weights training/all.safetensors
	$(RUN) -m research figures --only unfinished --only unfinished-images --out docs/analysis --page docs/analysis.md

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
	$(RUN) -m research train

evaluate: $(VENV)/ready emoji
	$(RUN) -m research evaluate

clean:
	rm -rf $(VENV) $(FORGE) $(OLDEST) $(NEWEST) out
