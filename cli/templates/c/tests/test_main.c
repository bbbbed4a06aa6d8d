/* The action here: objects and models are in memory, see keynet_testing.h. */
#include <assert.h>
#include <keynet_testing.h>
#include <stdlib.h>
#include <string.h>

static void greets(void) {
    keynet_testing_reset();
    keynet_testing_parameters("{\"name\": \"Ada\"}");
    char *result = NULL;
    assert(keynet_testing_call(&result, NULL));
    assert(strcmp(result, "{\"greeting\":\"Hello, Ada!\"}") == 0);
    free(result);
}

static void an_empty_name_is_the_callers_mistake(void) {
    keynet_testing_reset();
    keynet_testing_parameters("{\"name\": \"\"}");
    keynet_error error = {0};
    assert(!keynet_testing_call(NULL, &error));
    assert(error.kind == KEYNET_ERROR_INVALID);
    assert(strstr(error.message, "is empty") != NULL);
    keynet_error_clear(&error);
}

int main(void) {
    greets();
    an_empty_name_is_the_callers_mistake();
    keynet_testing_reset();
}
