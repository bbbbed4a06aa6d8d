/* What every language's SDK must do alike, in C: `do` names the part. tests/parity/README.md says what each
 * part answers. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parity.h"

static int runs = 0;

static bool echo(yyjson_mut_doc *result, keynet_error *error) {
    (void)error;
    yyjson_mut_doc_set_root(result, yyjson_val_mut_copy(result, keynet_input()));
    return true;
}

static const char *kind_of(yyjson_val *value) {
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_NULL: return "null";
    case YYJSON_TYPE_BOOL: return "boolean";
    case YYJSON_TYPE_NUM: return "number";
    case YYJSON_TYPE_STR: return "string";
    case YYJSON_TYPE_ARR: return "array";
    default: return "object";
    }
}

static bool kinds(yyjson_mut_doc *result, keynet_error *error) {
    (void)error;
    yyjson_mut_val *root = keynet_result_object(result);
    yyjson_obj_iter each = yyjson_obj_iter_with(keynet_input());
    for (yyjson_val *name; (name = yyjson_obj_iter_next(&each)) != NULL;) {
        if (yyjson_equals_str(name, "do")) continue;
        yyjson_mut_obj_add_str(result, root, yyjson_get_str(name),
                               kind_of(yyjson_obj_iter_get_val(name)));
    }
    return true;
}

static bool defaults(yyjson_mut_doc *result, keynet_error *error) {
    double sent = 0, missing = 0;
    bool flag = true;
    const char *text = NULL;
    if (!keynet_input_double_or("sent", 0.5, &sent, error) ||
        !keynet_input_double_or("missing", 0.5, &missing, error) ||
        !keynet_input_bool_or("flag", false, &flag, error) ||
        !keynet_input_string_or("text", "none", &text, error)) {
        return false;
    }
    yyjson_mut_val *root = keynet_result_object(result);
    yyjson_mut_obj_add_real(result, root, "sent", sent);
    yyjson_mut_obj_add_real(result, root, "missing", missing);
    yyjson_mut_obj_add_bool(result, root, "flag", flag);
    yyjson_mut_obj_add_str(result, root, "text", text);
    return true;
}

static bool typed(yyjson_mut_doc *result, keynet_error *error) {
    int64_t whole = 0;
    double fraction = 0;
    bool flag = false;
    const char *text = NULL;
    if (!keynet_input_int64_or("whole", 0, &whole, error) ||
        !keynet_input_double_or("fraction", 0, &fraction, error) ||
        !keynet_input_bool_or("flag", false, &flag, error) ||
        !keynet_input_string_or("text", NULL, &text, error)) {
        return false;
    }
    yyjson_mut_val *root = keynet_result_object(result);
    yyjson_mut_obj_add_val(result, root, "whole",
                           keynet_input_has("whole") ? yyjson_mut_sint(result, whole)
                                                     : yyjson_mut_null(result));
    yyjson_mut_obj_add_val(result, root, "fraction",
                           keynet_input_has("fraction") ? yyjson_mut_real(result, fraction)
                                                        : yyjson_mut_null(result));
    yyjson_mut_obj_add_val(result, root, "flag",
                           keynet_input_has("flag") ? yyjson_mut_bool(result, flag)
                                                    : yyjson_mut_null(result));
    yyjson_mut_obj_add_val(result, root, "text",
                           text != NULL ? yyjson_mut_str(result, text) : yyjson_mut_null(result));
    return true;
}

static bool array(yyjson_mut_doc *result, keynet_error *error) {
    (void)error;
    yyjson_mut_val *root = keynet_result_array(result);
    yyjson_mut_arr_add_int(result, root, 1);
    yyjson_mut_arr_add_str(result, root, "two");
    yyjson_mut_val *object = yyjson_mut_arr_add_obj(result, root);
    yyjson_mut_obj_add_int(result, object, "three", 3);
    return true;
}

static bool not_json(yyjson_mut_doc *result, keynet_error *error) {
    (void)error;
    yyjson_mut_obj_add_real(result, keynet_result_object(result), "number", NAN);
    return true;
}

static bool crash(yyjson_mut_doc *result, keynet_error *error) {
    (void)error;
    assert(result == NULL && "the box is empty: 상자"); // crashes here
    return true;
}

static bool log_everything(yyjson_mut_doc *result, keynet_error *error) {
    (void)error;
    puts("to standard output");
    fputs("to standard error\n", stderr);
    puts("한국어, ü and \U0001f600");
    keynet_log_debug("finely");
    keynet_log_info("informed");
    keynet_log_warning("warned");
    keynet_log_error("wrong");
    printf("without an end");
    keynet_result_object(result);
    return true;
}

static bool environment(yyjson_mut_doc *result, keynet_error *error) {
    yyjson_val *names = NULL;
    if (!keynet_input_array("names", &names, error)) return false;
    yyjson_mut_val *root = keynet_result_object(result);
    yyjson_arr_iter each = yyjson_arr_iter_with(names);
    for (yyjson_val *name; (name = yyjson_arr_iter_next(&each)) != NULL;) {
        const char *value = getenv(yyjson_get_str(name));
        yyjson_mut_obj_add_val(result, root, yyjson_get_str(name),
                               value != NULL ? yyjson_mut_str(result, value)
                                             : yyjson_mut_null(result));
    }
    return true;
}

static bool count_runs(yyjson_mut_doc *result, keynet_error *error) {
    (void)error;
    yyjson_mut_obj_add_int(result, keynet_result_object(result), "runs", ++runs);
    return true;
}

static const struct {
    const char *name;
    bool (*run)(yyjson_mut_doc *result, keynet_error *error);
} PARTS[] = {
    {"echo", echo},           {"kinds", kinds},           {"defaults", defaults},
    {"typed", typed},         {"array", array},           {"not-json", not_json},
    {"crash", crash},         {"raise", raise_kind},      {"catch", catch_call},
    {"tensor", through},      {"big-tensor", big},        {"log", log_everything},
    {"environment", environment}, {"fresh", fresh},       {"runs", count_runs},
    {"files", files},         {"allocate", allocate},     {"compute", compute},
    {"sleep", sleep_long},    {"recurse", recurse},       {"exit", exit_early},
};

static bool run(yyjson_mut_doc *result, keynet_error *error) {
    const char *part = NULL;
    if (!keynet_input_string("do", &part, error)) return false;
    for (size_t at = 0; at < sizeof PARTS / sizeof *PARTS; at++) {
        if (strcmp(part, PARTS[at].name) == 0) return PARTS[at].run(result, error);
    }
    return keynet_fail(error, KEYNET_ERROR_INVALID, "there is no part `%s`", part);
}

KEYNET_FUNCTION(
    .name = "parity-c", .description = "Does what every SDK must do alike.", .run = run,
    .parameters = KEYNET_PARAMETERS(KEYNET_REQUIRED("do", STRING, "The part."),
                                    KEYNET_OPTIONAL("whole", INTEGER, NULL),
                                    KEYNET_OPTIONAL("fraction", NUMBER, NULL),
                                    KEYNET_OPTIONAL("flag", BOOLEAN, NULL),
                                    KEYNET_OPTIONAL("text", STRING, NULL)));
