# Every target sets up what is missing first; see scripts/ for what each one does.
.DEFAULT_GOAL := help
.PHONY: help demo test check docs bench size fuzz clean

help: ## What there is
	@echo "Steadfast: errors understood, actions never lost."
	@echo
	@sed -n 's/^\([a-z]*\): ## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: ## Build everything, start the backend and the demo page, print the address; Ctrl-C stops it
	@scripts/demo

test: ## Run all tests, in every browser that is here
	@scripts/test

check: ## Formatting, lints, types, documentation
	@scripts/check

docs: ## Write docs/errors.md anew, after codes or their pages changed
	@scripts/docs

bench: ## Measure, in Chromium and natively, beside the limits of the platform
	@scripts/bench

size: ## What the package weighs, and what in it weighs most
	@scripts/size

fuzz: ## Feed everything that reads bytes from outside with made-up ones, for ten minutes
	@scripts/fuzz

clean: ## Delete what was built
	@rm -rf target fuzz/target pkg/dist pkg/wasm www/dist node_modules
