#include "tests.h"

/* Tells how each getter reads its parameter. */
static bool read_all(yyjson_mut_doc *result, keynet_error *error) {
    const char *name = NULL;
    int64_t limit = 0;
    double threshold = 0;
    bool draw = false;
    if (!keynet_input_string_or("name", "none", &name, error) ||
        !keynet_input_int64_or("limit", 7, &limit, error) ||
        !keynet_input_double("threshold", &threshold, error) ||
        !keynet_input_bool_or("draw", false, &draw, error)) {
        return false;
    }
    yyjson_mut_val *root = keynet_result_object(result);
    yyjson_mut_obj_add_str(result, root, "name", name);
    yyjson_mut_obj_add_sint(result, root, "limit", limit);
    yyjson_mut_obj_add_real(result, root, "threshold", threshold);
    yyjson_mut_obj_add_bool(result, root, "draw", draw);
    yyjson_mut_obj_add_bool(result, root, "has", keynet_input_has("limit"));
    return true;
}

static void reads(const char *parameters, const char *expected) {
    keynet_error error = {0};
    char *result = call(read_all, parameters, &error);
    if (result == NULL) fprintf(stderr, "%s\n", error.message);
    CHECK_TEXT(result, expected);
    free(result);
}

static void refuses(const char *parameters, const char *expected) {
    keynet_error error = {0};
    CHECK(call(read_all, parameters, &error) == NULL);
    CHECK_TEXT(error.message, expected);
    CHECK(error.kind == KEYNET_ERROR_INVALID);
    keynet_error_clear(&error);
}

static void defaults_stand_in_for_what_is_missing_or_null(void) {
    reads("{\"image\": \"x\"}",
          "{\"name\":\"none\",\"limit\":7,\"threshold\":0.5,\"draw\":false,\"has\":false}");
    reads("{\"image\": \"x\", \"name\": null, \"limit\": null, \"threshold\": null}",
          "{\"name\":\"none\",\"limit\":7,\"threshold\":0.5,\"draw\":false,\"has\":false}");
    reads("{\"image\": \"x\", \"name\": \"\", \"limit\": -9223372036854775808, \"threshold\": 1, "
          "\"draw\": true}",
          "{\"name\":\"\",\"limit\":-9223372036854775808,\"threshold\":1.0,\"draw\":true,\"has\":true}");
}

static void a_query_of_a_web_action_has_numbers_and_booleans(void) {
    reads("{\"image\": \"x\", \"limit\": \" 12 \", \"threshold\": \"1e-1\", \"draw\": \"TRUE\", "
          "\"name\": \"7\", \"__ow_method\": \"get\"}",
          "{\"name\":\"7\",\"limit\":12,\"threshold\":0.1,\"draw\":true,\"has\":true}");
    reads("{\"image\": \"x\", \"limit\": \"+3\", \"threshold\": \".5\", \"draw\": \"0\", "
          "\"__ow_method\": \"get\"}",
          "{\"name\":\"none\",\"limit\":3,\"threshold\":0.5,\"draw\":false,\"has\":true}");
}

static void text_is_no_number_where_it_is_none_or_no_web_action_sent_it(void) {
    refuses("{\"image\": \"x\", \"threshold\": \"0.3\"}",
            "the parameter `threshold`: expected a number, came string \"0.3\"");
    const char *texts[] = {"high", "inf", "nan", "0x10", "", "1e999", "1 2", "0.5x", "12\\u0000"};
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++) {
        char *parameters = keynet_format(
            "{\"image\": \"x\", \"threshold\": \"%s\", \"__ow_method\": \"get\"}", texts[at]);
        char *expected = keynet_format(
            "the parameter `threshold`: expected a number, came string \"%s\"", texts[at]);
        refuses(parameters, expected);
        free(parameters);
        free(expected);
    }
    refuses("{\"image\": \"x\", \"limit\": \"9223372036854775808000\", \"__ow_method\": \"get\"}",
            "the parameter `limit`: expected a whole number, came string \"9223372036854775808000\"");
    refuses("{\"image\": \"x\", \"draw\": \"yes\", \"__ow_method\": \"get\"}",
            "the parameter `draw`: expected true or false, came string \"yes\"");
}

static void mistakes_name_the_parameter_and_what_came(void) {
    refuses("{}", "the parameter `image` is missing: expected a string, \"Where it is.\"");
    refuses("{\"image\": 1}", "the parameter `image`: expected a string, came number 1");
    refuses("{\"image\": \"x\", \"limit\": 1.5}",
            "the parameter `limit`: expected a whole number, came number 1.5");
    refuses("{\"image\": \"x\", \"limit\": 18446744073709551615}",
            "the parameter `limit`: expected a whole number (64 bits), came number 18446744073709551615");
    refuses("{\"image\": [1]}", "the parameter `image`: expected a string, came an array");
    refuses("{\"image\": \"x\", \"name\": \"a\\u0000b\"}",
            "the parameter `name`: it has the character U+0000");
    refuses("[1, 2]", "the parameters: expected an object, came an array");
    refuses("{\"image\": 1e999}",
            "the parameters: a number is out of the range of a double, about 1.8e308");
    /* Long values are cut where a character ends. */
    char long_text[400] = "";
    for (int at = 0; at < 60; at++) strcat(long_text, "상");
    char *parameters = keynet_format("{\"image\": \"x\", \"threshold\": \"%s\"}", long_text);
    keynet_error error = {0};
    CHECK(call(read_all, parameters, &error) == NULL);
    CHECK(strlen(error.message) < 130 && strstr(error.message, "상…") != NULL);
    keynet_error_clear(&error);
    free(parameters);
}

static void values_are_readable_outside_of_the_function(void) {
    keynet_error error = {0};
    yyjson_val *list = NULL;
    uint64_t natural = 0;
    keynet_testing_parameters("{\"list\": [1], \"most\": 18446744073709551615, \"threshold\": 7}");
    CHECK(keynet_testing_begin(&error));
    CHECK(keynet_input_array("list", &list, &error) && yyjson_arr_size(list) == 1);
    CHECK(keynet_input_uint64("most", &natural, &error) && natural == UINT64_MAX);
    CHECK(!keynet_input_object("list", &list, &error));
    CHECK_TEXT(error.message, "the parameter `list`: expected an object, came an array");
    CHECK(!keynet_input_array("absent", &list, &error));
    CHECK_TEXT(error.message, "the parameter `absent` is missing");
    CHECK(!keynet_input_fail("threshold", "a number from 0 to 1", &error));
    CHECK_TEXT(error.message,
               "the parameter `threshold`: expected a number from 0 to 1, came number 7");
    keynet_error_clear(&error);
    keynet_testing_end();
    CHECK(keynet_input() == NULL);
}

void test_input(void) {
    keynet_testing_reset();
    defaults_stand_in_for_what_is_missing_or_null();
    a_query_of_a_web_action_has_numbers_and_booleans();
    text_is_no_number_where_it_is_none_or_no_web_action_sent_it();
    mistakes_name_the_parameter_and_what_came();
    values_are_readable_outside_of_the_function();
}
