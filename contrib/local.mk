# contrib/: what a newcomer runs and what the house rules are.
.PHONY: lint
lint: programs
	@contrib/lint/run $(B)
