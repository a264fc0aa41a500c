# What can be asked for besides building. The Makefile includes this file.
#
# A target that needs packages calls tools/deps.sh first; `build` and the unit tests never do.

VENV   := build/venv
VPY    := $(VENV)/bin/python
PREFIX ?= /usr/local

FUZZ_SECONDS ?= 600
SOAK_SECONDS ?= 3600

# Tools are told where things are by environment, so that they run by hand from the root as well.
TOOL_ENV := BUILD="$(BUILD)" VENV="$(VENV)" JOBS="$(JOBS)" MAKE="$(MAKE)"

.PHONY: deps
deps: ## install the compiler and libraries that are missing
	@tools/deps.sh build

# --- tests: tools/run_tests.py runs the sections named, and closes with their counts

SECTIONS := build unit asan fuzz lint api crash quality
.PHONY: test $(addprefix test-,$(SECTIONS)) torture
test: ## everything: builds, unit, sanitizers, fuzz corpora, lint, API clients, crash, quality
	@tools/deps.sh test
	@$(TOOL_ENV) $(PYTHON) tools/run_tests.py $(SECTIONS)

test-build: ## gcc and clang, warnings are errors
test-unit: ## unit tests
test-asan: ## unit tests under the address and undefined sanitizers
test-fuzz: ## fuzz targets over their corpora, once
test-lint: ## lint, as a section of the tests
test-api: ## real AWS clients against the server
test-crash: ## kill -9 and start again; full, read-only, failing and slow disks
test-quality: ## ranking quality, the quick part
$(addprefix test-,$(SECTIONS)):
	@tools/deps.sh test
	@$(TOOL_ENV) $(PYTHON) tools/run_tests.py $(@:test-%=%)

torture: ## hours: 200 kills, 1,000 power cuts, bad disks, and a soak of SOAK_SECONDS=3600
	@tools/deps.sh test
	@$(TOOL_ENV) ONDOL_TORTURE=1 SOAK_SECONDS="$(SOAK_SECONDS)" $(PYTHON) tools/run_tests.py crash power soak

# Loaded below a server by the tests of bad disks.
.PHONY: bad-disk
bad-disk: $(VARIANT)/faults/bad_disk.so
$(VARIANT)/faults/bad_disk.so: tests/faults/bad_disk.c
	@mkdir -p $(@D)
	@echo "  LIB   $@"
	$(Q)$(CC) -std=gnu17 -O1 -g $(WARN) -Wno-missing-prototypes -D_GNU_SOURCE -shared -fPIC -o $@ $< -ldl

# The unit test programs, built and not run.
.PHONY: unit-programs
unit-programs: $(UNIT_BIN)

# --- small programs: tests/fuzz/fuzz_X.c, bench/bench_X.c, tests/quality/X.c
# Each is linked with the rooms it includes and those below them.

rooms_in = $(filter $(ROOMS),$(shell sed -n 's|^\#include "\([a-z0-9]*\)/.*|\1|p' $(1) | sort -u))

# $(1) source  $(2) program  $(3) flags
define program_rules
LIBS_$(2) := $$(call room_libs,$$(call rooms_in,$(1)))
$(2): $(1) $$(LIBS_$(2))
	@mkdir -p $$(@D)
	@echo "  PROG  $$@"
	$$(Q)$$(CC) $$(CPPFLAGS) -Itests/unit $$(CFLAGS) -Wno-missing-prototypes $$(LDFLAGS) $(3) -MF $$@.d -MT $$@ -o $$@ $(1) -Wl,--start-group $$(LIBS_$(2)) -Wl,--end-group $$(if $$(shell grep -l 'cmocka\|fixture' $(1)),-lcmocka) $$(LDLIBS)
-include $(2).d
endef

FUZZ_SRC    := $(sort $(wildcard tests/fuzz/fuzz_*.c))
BENCH_SRC   := $(sort $(wildcard bench/*.c))
QUALITY_SRC := $(sort $(wildcard tests/quality/*.c))
FUZZ_BIN    := $(FUZZ_SRC:tests/fuzz/%.c=$(VARIANT)/fuzz/%)
BENCH_BIN   := $(BENCH_SRC:bench/%.c=$(VARIANT)/bench/%)
QUALITY_BIN := $(QUALITY_SRC:tests/quality/%.c=$(VARIANT)/quality/%)
$(foreach s,$(FUZZ_SRC),$(eval $(call program_rules,$(s),$(s:tests/fuzz/%.c=$(VARIANT)/fuzz/%),-fsanitize=fuzzer)))
$(foreach s,$(BENCH_SRC),$(eval $(call program_rules,$(s),$(s:bench/%.c=$(VARIANT)/bench/%),)))
$(foreach s,$(QUALITY_SRC),$(eval $(call program_rules,$(s),$(s:tests/quality/%.c=$(VARIANT)/quality/%),)))

.PHONY: bench-programs quality-programs fuzz bench bench-all quality
bench-programs: $(BENCH_BIN)
quality-programs: $(QUALITY_BIN)

fuzz: ## fuzz every target, FUZZ_SECONDS=600 altogether
	@tools/deps.sh test
	@$(TOOL_ENV) $(PYTHON) tools/fuzz.py --seconds $(FUZZ_SECONDS)

BENCH_SHORT := bench/serving.py bench/batch.py
bench: ## measure answers, events and batch jobs beside the limits of the machine: minutes
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) build $(addprefix $(VARIANT)/bench/,load echo floors bench_store)
	@set -e; for p in $(BENCH_SHORT); do $(TOOL_ENV) ONDOL_BINARY="$(abspath $(VARIANT))/ondol" $(VPY) $$p; done

# What bench/serving.py and bench/train_torch.py call, which tells little by itself.
BENCH_PARTS := %/peer_train %/load %/echo %/floors
bench-all: bench ## that, and import, store, training, scale, each beside a peer: an hour
	@tools/deps.sh bench
	@$(MAKE) --no-print-directory -j$(JOBS) bench-programs
	@set -e; \
	  for p in $(filter-out $(BENCH_PARTS),$(BENCH_BIN)); do echo "== $$p"; $$p; done; \
	  for p in $(filter-out $(BENCH_SHORT),$(sort $(wildcard bench/*.py))); do echo "== $$p"; \
	    $(TOOL_ENV) ONDOL_BINARY="$(abspath $(VARIANT))/ondol" $(VPY) $$p; done

quality: ## measure every recipe on every data set and rewrite the tables; takes hours
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) build quality-programs
	@$(TOOL_ENV) ONDOL_BINARY="$(abspath $(VARIANT))/ondol" $(VPY) tests/quality/run.py
	@$(TOOL_ENV) BUILD="$(BUILD)" MAKE="$(MAKE)" $(PYTHON) tests/quality/next_best_action.py

# --- the rest

.PHONY: demo lint fmt gen install clean
demo: ## lodging recommendations that change as you browse; ONESHOT=1 stops after showing them
	@tools/deps.sh demo
	@$(MAKE) --no-print-directory -j$(JOBS) build
	@$(TOOL_ENV) ONDOL_BINARY="$(abspath $(VARIANT))/ondol" ONESHOT="$(ONESHOT)" $(VPY) tools/demo.py

lint: ## format, includes, banned functions, lengths, stale generated files
	@$(PYTHON) tools/lint.py

fmt: ## clang-format over our own C and C++
	@git ls-files '*.c' '*.h' '*.cc' ':!:src/*/gen/*' | xargs -r clang-format -i

gen: ## write src/*/gen and docs/api from spec/
	@set -e; for g in tools/gen/*_tables.py; do echo "  GEN   $$g"; $(PYTHON) $$g; done

install: build ## copy the server to PREFIX/bin (PREFIX=/usr/local)
	@install -D -m 755 $(VARIANT)/ondol $(DESTDIR)$(PREFIX)/bin/ondol
	@echo "installed $(DESTDIR)$(PREFIX)/bin/ondol"

# The environments of tools/deps.sh stay: they take a minute to fetch and hold nothing of ours.
clean: ## remove what was built
	@rm -rf $(foreach d,obj lib unit bench quality demo faults fuzz address-undefined address-undefined-coverage address undefined thread,$(BUILD)/$(d))
	@rm -f $(BUILD)/ondol $(BUILD)/have-libraries
