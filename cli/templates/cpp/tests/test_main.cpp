// The action here: objects and models are in memory, see keynet_testing.hpp.
#include <cassert>
#include <keynet_testing.hpp>

using keynet::Json;
using keynet::testing::Environment;

static void greets() {
    Environment environment(Json::object({{"name", "Ada"}}));
    assert(environment.call() == R"({"greeting":"Hello, Ada!"})");
}

static void an_empty_name_is_the_callers_mistake() {
    Environment environment(Json::object({{"name", ""}}));
    auto result = environment.call();
    assert(!result && result.error().kind == keynet::ErrorKind::invalid);
    assert(result.error().message.contains("is empty"));
}

int main() {
    greets();
    an_empty_name_is_the_callers_mistake();
}
