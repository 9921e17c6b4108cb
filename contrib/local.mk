# contrib/: what a newcomer runs and what the house rules are.
.PHONY: lint
lint: programs
	@contrib/lint/run $(B)

.PHONY: demo
demo:
	@contrib/deps.sh build demo
	@$(MAKE) --no-print-directory -j$(JOBS) programs
	@contrib/demo
