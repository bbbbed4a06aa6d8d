/* {{name}}: an inference action. */
#include <keynet.h>
#include <stdio.h>
#include <stdlib.h>

static bool greet(yyjson_mut_doc *result, keynet_error *error) {
    const char *name = NULL, *word = NULL;
    if (!keynet_input_string("name", &name, error) || !keynet_input_string("word", &word, error)) {
        return false;
    }
    if (name[0] == '\0') {
        return keynet_fail(error, KEYNET_ERROR_INVALID, "the parameter `name` is empty");
    }
    printf("greeting %s\n", name);
    char *greeting = keynet_format("%s, %s!", word, name);
    yyjson_mut_obj_add_strcpy(result, keynet_result_object(result), "greeting", greeting);
    free(greeting);
    return true;
}

KEYNET_FUNCTION(
    .name = "{{name}}", .description = "Greets a person by name.", .run = greet,
    .parameters = KEYNET_PARAMETERS(
        KEYNET_REQUIRED("name", STRING, "Who is greeted."),
        KEYNET_DEFAULT("word", STRING, "The word that greets.", "\"Hello\"")));
