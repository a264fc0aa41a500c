# Ondol. `make help` lists what can be asked for.
#
# Each folder of src/ is a static library. What a folder may use is said once,
# on the line "May include:" of its README.md: the include check of `make lint`
# and the link lines below both read it there.

BUILD     ?= build
SANITIZER ?=
JOBS      ?= $(shell nproc)
PYTHON    ?= python3

ROOMS := cli api jobs batch serve eval recipes filter s3 store wire data math os base

CC  ?= gcc
CXX ?= g++
ifeq ($(origin CC),default)
CC  := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif

# Reports of sanitizers need lines, not variables, which take a tenth of the compiler's time.
OPT      ?= -O2 $(if $(SANITIZER),-g1,-g)
WARN     := -Wall -Wextra -Wshadow -Wvla -Wconversion -Wno-sign-conversion -Werror=implicit -Wstrict-prototypes -Wmissing-prototypes
WARNXX   := -Wall -Wextra
CPPFLAGS += -Isrc -D_GNU_SOURCE -MMD -MP
CFLAGS   += -std=gnu17 $(OPT) $(WARN) -fno-omit-frame-pointer -fno-math-errno -fvisibility=hidden -pthread
CXXFLAGS += -std=gnu++17 $(OPT) $(WARNXX) -fno-omit-frame-pointer -fvisibility=hidden -pthread
# Scores must be the same bits on every machine: no multiplication is fused with an addition (src/math/scan.h,
# src/math/nn/vector.h).
$(foreach f,scan_ref scan_avx2 scan_avx512 scan_neon nn_vector_ref,$(eval CFLAGS_math_$(f) := -ffp-contract=off))
LDLIBS   := -lcurl -lmicrohttpd -lsqlite3 -lopenblas -lcrypto -lsimdjson -lstdc++ -lm
# Matrix products are counted on their way to the library: src/math/operations.h
LDLIBS   += $(foreach f,sgemm ssyrk strsm strmm,-Wl,--wrap=cblas_$(f))

# gcc and clang spell "treat warnings as errors" alike; CI builds with WERROR=1.
ifeq ($(WERROR),1)
CFLAGS   += -Werror
CXXFLAGS += -Werror
endif

comma := ,
VARIANT := $(BUILD)
ifneq ($(SANITIZER),)
VARIANT  := $(BUILD)/$(subst $(comma),-,$(SANITIZER))
# The C++ files are linked into C programs: no vptr checks.
SANITIZE := -fsanitize=$(SANITIZER) -fno-sanitize=vptr -fno-sanitize-recover=all
# Set by tools/fuzz.py together with clang: libFuzzer is told where an input leads.
ifeq ($(COVERAGE),1)
VARIANT  := $(VARIANT)-coverage
SANITIZE += -fsanitize=fuzzer-no-link
endif
CPPFLAGS += -DSANITIZED
CFLAGS   += $(SANITIZE)
CXXFLAGS += $(SANITIZE)
LDFLAGS  += $(SANITIZE)
endif

OBJ := $(VARIANT)/obj
LIB := $(VARIANT)/lib

# room -> objects and library
define room_rules
SRC_$(1)  := $$(wildcard src/$(1)/*.c src/$(1)/*/*.c)
SRCX_$(1) := $$(wildcard src/$(1)/*.cc)
OBJ_$(1)  := $$(SRC_$(1):src/%.c=$(OBJ)/%.o) $$(SRCX_$(1):src/%.cc=$(OBJ)/%.oo)
USES_$(1) := $$(shell sed -n 's/^May include: *//p' src/$(1)/README.md | tr ',' ' ')
$(LIB)/$(1).a: $$(OBJ_$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)$$(AR) rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room_rules,$(r))))

# libraries of one or more rooms and of everything below them, in link order
room_libs = $(foreach r,$(ROOMS),$(if $(filter $(r),$(1) $(foreach u,$(1),$(USES_$(u)))),$(LIB)/$(r).a))

Q := @
ifeq ($(V),1)
Q :=
endif

.DEFAULT_GOAL := build
.PHONY: build help
build: $(VARIANT)/ondol ## build the server, build/ondol

help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | sort | while IFS="$$(printf '\t')" read -r t d; do printf '  %-12s %s\n' "$$t" "$$d"; done
	@echo "  options      SANITIZER=address|undefined|thread  BUILD=DIR  CC=clang CXX=clang++  V=1"

$(VARIANT)/ondol: $(foreach r,$(ROOMS),$(LIB)/$(r).a)
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDFLAGS) -pthread -o $@ -Wl,--start-group $^ -Wl,--end-group $(LDLIBS)

# A machine without the libraries is told what to do before the compiler complains about headers.
HAVE_LIBS := $(VARIANT)/have-libraries
HEADERS   := curl/curl.h microhttpd.h simdjson.h sqlite3.h cblas.h openssl/evp.h
$(HAVE_LIBS):
	@mkdir -p $(@D)
	@printf '#include <%s>\n' $(HEADERS) | $(CXX) -E -x c++ -o /dev/null - || \
	  { echo "The C++ compiler or a library is missing (see above). 'make deps' installs them; then run make again." >&2; exit 1; }
	@touch $@

$(OBJ)/%.o: src/%.c | $(HAVE_LIBS)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_$(subst /,_,$*)) -c -o $@ $<

$(OBJ)/%.oo: src/%.cc | $(HAVE_LIBS)
	@mkdir -p $(@D)
	@echo "  CXX   $<"
	$(Q)$(CXX) $(CPPFLAGS) $(CXXFLAGS) -c -o $@ $<

# --- unit tests: tests/unit/ROOM/test_X.c, linked with that room and those below it
# What they test is optimised; optimising the tests would take longer than it saves.
UNIT_OPT := -O0
UNIT_SRC := $(wildcard tests/unit/*/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(VARIANT)/unit/%)

define unit_rules
UNIT_$(1) := $$(filter $(VARIANT)/unit/$(1)/%,$$(UNIT_BIN))
$(VARIANT)/unit/$(1)/%: tests/unit/$(1)/%.c $$(call room_libs,$(1))
	@mkdir -p $$(@D)
	@echo "  TEST  $$@"
	$$(Q)$$(CC) $$(CPPFLAGS) -Itests/unit $$(CFLAGS) $$(UNIT_OPT) -Wno-missing-prototypes $$(LDFLAGS) -o $$@ $$< -Wl,--start-group $$(call room_libs,$(1)) -Wl,--end-group -lcmocka $$(LDLIBS)
.PHONY: unit-$(1)
unit-$(1): $$(UNIT_$(1))
	@set -e; for t in $$^; do echo "== $$$$t"; $$$$t; done
endef
$(foreach r,$(ROOMS),$(eval $(call unit_rules,$(r))))

.PHONY: unit
unit: $(UNIT_BIN) ## unit tests alone
	@$(PYTHON) tools/run_unit.py $(UNIT_BIN)

include tools/targets.mk

-include $(foreach r,$(ROOMS),$(patsubst %.o,%.d,$(filter %.o,$(OBJ_$(r)))) $(patsubst %.oo,%.d,$(filter %.oo,$(OBJ_$(r)))))
-include $(addsuffix .d,$(UNIT_BIN))
