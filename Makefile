# make demo   sets everything up and makes demo.mp4 and demo_sheet.png
# make test   sets everything up, lints, and runs the tests
# make lint   ruff and mypy alone; make format lays the source out as ruff wants it
# make results CLIPS=FOLDER [DEMO=FOLDER]  measures the default model and writes docs/results.md
# make clean  removes what the demo and the tests left; the .venv stays

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo test lint format results clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "pdfgc needs Python 3.10 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "could not make $(VENV); on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "installing some 2 GB of packages into $(VENV), which takes a few minutes"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY)
	$(BIN)/python scripts/make_demo_drivers.py demo/astronaut.jpg -o demo/drivers
	$(BIN)/pdfgc animate demo/astronaut.jpg --audio demo/speech.flac \
		--pose demo/drivers/nod.motion.safetensors --eyes demo/drivers/look.motion.safetensors \
		--expression demo/drivers/smile.motion.safetensors -o demo.mp4
	$(BIN)/python scripts/contact_sheet.py demo.mp4 -o demo_sheet.png

test: lint
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

SECONDS_EACH ?= 3

results: $(READY)
	@test -n "$(CLIPS)" || { echo "name the folder of the clips that benchmarks/development_clips.txt lists: make results CLIPS=FOLDER"; exit 1; }
	$(BIN)/python scripts/make_results.py --clips "$(CLIPS)" $(if $(DEMO),--demo "$(DEMO)") --seconds $(SECONDS_EACH) $(RESULTS_OPTIONS)

clean:
	rm -rf demo.mp4 demo.motion.safetensors demo_sheet.png demo/drivers \
		.pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
