#include <math.h>

#include "tests.h"

static const char IMAGE[] = "{\"image\": \"x\"}";

static bool without_result(yyjson_mut_doc *result, keynet_error *error) {
    (void)result, (void)error;
    return true;
}

static bool a_number(yyjson_mut_doc *result, keynet_error *error) {
    (void)error;
    yyjson_mut_doc_set_root(result, yyjson_mut_int(result, 3));
    return true;
}

static bool not_a_number(yyjson_mut_doc *result, keynet_error *error) {
    (void)error;
    yyjson_mut_obj_add_real(result, keynet_result_object(result), "x", NAN);
    return true;
}

static bool not_utf8(yyjson_mut_doc *result, keynet_error *error) {
    (void)error;
    yyjson_mut_obj_add_str(result, keynet_result_object(result), "x", "\xff");
    return true;
}

static bool without_error(yyjson_mut_doc *result, keynet_error *error) {
    (void)result, (void)error;
    return false;
}

static bool echo(yyjson_mut_doc *result, keynet_error *error) {
    (void)error;
    yyjson_mut_doc_set_root(result, yyjson_val_mut_copy(result, keynet_input()));
    return true;
}

static void fails(bool (*function)(yyjson_mut_doc *, keynet_error *), const char *expected) {
    keynet_error error = {0};
    CHECK(call(function, IMAGE, &error) == NULL);
    CHECK(error.kind == KEYNET_ERROR_INTERNAL);
    CHECK(strstr(error.message, expected) != NULL);
    keynet_error_clear(&error);
}

static void what_is_no_result_is_told(void) {
    fails(without_result, "returned true without a result");
    fails(a_number, "the function returned 3, but a result must be a JSON object or array");
    fails(not_a_number, "the result cannot be written as JSON");
    fails(not_utf8, "the result cannot be written as JSON");
    fails(without_error, "the function failed without an error");
}

static bool catching(yyjson_mut_doc *result, keynet_error *error) {
    keynet_bytes data = {0};
    bool is_there = keynet_storage_get("absent", &data, error);
    yyjson_mut_obj_add_bool(result, keynet_result_object(result), "there", is_there);
    return true;
}

static void an_error_that_was_caught_is_none(void) {
    keynet_error error = {0};
    char *result = call(catching, IMAGE, &error);
    CHECK_TEXT(result, "{\"there\":false}");
    CHECK(error.kind == KEYNET_ERROR_NONE && error.message == NULL);
    free(result);
}

static void numbers_and_texts_come_back_as_they_were(void) {
    const char *text = "{\"image\":\"\\u0000 상자 \U0001f600\",\"a\":[9223372036854775807,"
                       "-9223372036854775808,18446744073709551615,9007199254740993,0.1,5e-324,"
                       "1.7976931348623157e308,-0.0]}";
    keynet_error error = {0};
    char *result = call(echo, text, &error);
    CHECK_TEXT(result, text);
    free(result);
}

static void the_schema_is_made_of_the_declarations(void) {
    char *schema = keynet_testing_schema();
    CHECK_TEXT(schema,
               "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\","
               "\"properties\":{\"name\":{\"type\":[\"string\",\"null\"],\"description\":\"Who.\"},"
               "\"limit\":{\"type\":[\"integer\",\"null\"]},"
               "\"threshold\":{\"type\":\"number\",\"description\":\"From 0 to 1.\",\"default\":0.5},"
               "\"draw\":{\"type\":[\"boolean\",\"null\"]},"
               "\"image\":{\"type\":\"string\",\"description\":\"Where it is.\"}},"
               "\"required\":[\"image\"]}");
    free(schema);
}

void test_function(void) {
    keynet_testing_reset();
    what_is_no_result_is_told();
    an_error_that_was_caught_is_none();
    numbers_and_texts_come_back_as_they_were();
    the_schema_is_made_of_the_declarations();
}
