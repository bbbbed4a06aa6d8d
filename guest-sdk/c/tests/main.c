/* The action of these tests, whose function a test sets, and the tests in turn. */
#include "tests.h"

static bool (*function)(yyjson_mut_doc *result, keynet_error *error);

static bool run(yyjson_mut_doc *result, keynet_error *error) {
    return function(result, error);
}

KEYNET_FUNCTION(
    .name = "tested", .description = "Is tested.", .run = run,
    .parameters = KEYNET_PARAMETERS(
        KEYNET_OPTIONAL("name", STRING, "Who."), KEYNET_OPTIONAL("limit", INTEGER, NULL),
        KEYNET_DEFAULT("threshold", NUMBER, "From 0 to 1.", "0.5"),
        KEYNET_OPTIONAL("draw", BOOLEAN, NULL), KEYNET_REQUIRED("image", STRING, "Where it is.")));

char *call(bool (*called)(yyjson_mut_doc *, keynet_error *), const char *parameters,
           keynet_error *error) {
    char *result = NULL;
    function = called;
    keynet_testing_parameters(parameters);
    keynet_error_clear(error);
    keynet_testing_call(&result, error);
    return result;
}

int main(void) {
    test_errors();
    test_half();
    test_input();
    test_function();
    test_tensors();
    test_models();
    test_storage();
    keynet_testing_reset();
    puts("C: all passed");
}
