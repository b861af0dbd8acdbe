# make demo   pictures with FreeU off and on, side by side, in out/demo.png
# make test   the tests
# make lint   style and types
# make emoji  the training pictures (npm), then: make train evaluate

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
EMOJI := emoji-datasource-google@16.0.0

.PHONY: demo test lint train evaluate clean

demo: $(VENV)/ready
	$(RUN) -m playground demo --out out/demo.png

test: $(VENV)/ready
	$(RUN) -m pytest

lint: $(VENV)/ready
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

# ldm is Stability's own UNet. Of what its package asks for, only its training needs the rest.
$(VENV)/ready: requirements-dev.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit("FreeU needs Python 3.10 or newer: make PYTHON=python3.11" if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps stable-diffusion-sdkit==2.1.5
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
	rm -rf $(VENV) out
