# Rules of a project's tests, which are compiled for this machine with objects and models in memory:
#
#     SOURCES = $(wildcard *.c src/*.c)
#     TESTS = $(wildcard tests/*.c)
#     include keynet-sdk/testing/tests.mk
#
# `make test` runs them. KEYNET is the folder of the SDK, KEYNET_BUILD that of its objects, SANITIZE the checks
# that the compiler adds.
KEYNET ?= keynet-sdk
BUILD ?= build
KEYNET_BUILD ?= $(BUILD)/keynet
CFLAGS ?= -std=gnu17 -g -Wall -Wextra
CXXFLAGS ?= -std=gnu++23 -fno-exceptions -g -Wall -Wextra
SANITIZE ?= -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

KEYNET_INCLUDES = -I$(KEYNET)/include -I$(KEYNET)/vendor/yyjson -I$(KEYNET)/bindings
KEYNET_SOURCES = $(wildcard $(KEYNET)/src/*.c $(KEYNET)/testing/*.c) $(KEYNET)/vendor/yyjson/yyjson.c
KEYNET_OBJECTS = $(KEYNET_SOURCES:$(KEYNET)/%=$(KEYNET_BUILD)/%.o)
PROJECT_OBJECTS = $(patsubst %,$(BUILD)/project/%.o,$(SOURCES) $(TESTS))
IS_CPP = $(filter %.cpp %.cc %.cxx,$(SOURCES) $(TESTS))

.PHONY: test clean
test: $(BUILD)/tests
	$(BUILD)/tests

clean:
	rm -rf $(BUILD)

$(BUILD)/tests: $(PROJECT_OBJECTS) $(KEYNET_OBJECTS)
	$(if $(IS_CPP),$(CXX),$(CC)) $(SANITIZE) $^ -lm -o $@

# The checks would cost half a minute for yyjson, which its authors test with them. They still watch the memory
# that it gets, as that of any library.
$(KEYNET_BUILD)/vendor/%.c.o: $(KEYNET)/vendor/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -g -O0 -w -MMD -c $< -o $@

$(KEYNET_BUILD)/%.c.o: $(KEYNET)/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -g -O1 -w $(SANITIZE) $(KEYNET_INCLUDES) -MMD -c $< -o $@

$(BUILD)/project/%.c.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) $(KEYNET_INCLUDES) -I. -MMD -c $< -o $@

define CPP_RULE
$(BUILD)/project/%.$(1).o: %.$(1)
	@mkdir -p $$(@D)
	$$(CXX) $$(CXXFLAGS) $$(SANITIZE) $$(KEYNET_INCLUDES) -I. -MMD -c $$< -o $$@
endef
$(foreach ending,cpp cc cxx,$(eval $(call CPP_RULE,$(ending))))

-include $(PROJECT_OBJECTS:.o=.d) $(KEYNET_OBJECTS:.o=.d)
