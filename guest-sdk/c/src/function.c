/* What stands between the exported functions and the action's own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* How many bytes of a mistaken result an error repeats. */
enum { SHOWN = 60 };

yyjson_mut_val *keynet_result_object(yyjson_mut_doc *result) {
    yyjson_mut_val *root = yyjson_mut_obj(result);
    yyjson_mut_doc_set_root(result, root);
    return root;
}

yyjson_mut_val *keynet_result_array(yyjson_mut_doc *result) {
    yyjson_mut_val *root = yyjson_mut_arr(result);
    yyjson_mut_doc_set_root(result, root);
    return root;
}

/* ---- The schema */

static const char *schema_type(keynet_parameter_type type) {
    switch (type) {
    case KEYNET_PARAM_STRING: return "string";
    case KEYNET_PARAM_INTEGER: return "integer";
    case KEYNET_PARAM_NUMBER: return "number";
    case KEYNET_PARAM_BOOLEAN: return "boolean";
    case KEYNET_PARAM_ARRAY: return "array";
    case KEYNET_PARAM_OBJECT: return "object";
    case KEYNET_PARAM_ANY: break;
    }
    return NULL;
}

static bool is_required(const keynet_parameter *parameter) {
    return !parameter->optional && parameter->default_json == NULL;
}

static yyjson_mut_val *schema_of(yyjson_mut_doc *document, const keynet_parameter *parameter) {
    yyjson_mut_val *schema = yyjson_mut_obj(document);
    const char *type = schema_type(parameter->type);
    if (type != NULL && parameter->optional && parameter->default_json == NULL) {
        const char *types[] = {type, "null"};
        yyjson_mut_obj_add_val(document, schema, "type",
                               yyjson_mut_arr_with_str(document, types, 2));
    } else if (type != NULL) {
        yyjson_mut_obj_add_str(document, schema, "type", type);
    }
    if (parameter->description != NULL) {
        yyjson_mut_obj_add_str(document, schema, "description", parameter->description);
    }
    if (parameter->default_json != NULL) {
        yyjson_doc *value = yyjson_read(parameter->default_json, strlen(parameter->default_json), 0);
        if (value == NULL) {
            keynet_panic(__FILE__, __LINE__, "the default of the parameter `%s` is not JSON: %s",
                         parameter->name, parameter->default_json);
        }
        yyjson_mut_obj_add_val(document, schema, "default",
                               yyjson_val_mut_copy(document, yyjson_doc_get_root(value)));
        yyjson_doc_free(value);
    }
    return schema;
}

char *keynet_schema(const keynet_function *function) {
    if (function->make_schema != NULL) return function->make_schema();
    if (function->input_schema != NULL) return keynet_format("%s", function->input_schema);
    if (function->parameters == NULL) return NULL;
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = keynet_result_object(document);
    yyjson_mut_val *properties = yyjson_mut_obj(document);
    yyjson_mut_val *required = yyjson_mut_arr(document);
    for (const keynet_parameter *each = function->parameters; each->name != NULL; each++) {
        yyjson_mut_obj_add_val(document, properties, each->name, schema_of(document, each));
        if (is_required(each)) yyjson_mut_arr_add_str(document, required, each->name);
    }
    yyjson_mut_obj_add_str(document, root, "$schema",
                           "https://json-schema.org/draft/2020-12/schema");
    yyjson_mut_obj_add_str(document, root, "type", "object");
    yyjson_mut_obj_add_val(document, root, "properties", properties);
    if (yyjson_mut_arr_size(required) > 0) {
        yyjson_mut_obj_add_val(document, root, "required", required);
    }
    char *text = yyjson_mut_write(document, 0, NULL);
    yyjson_mut_doc_free(document);
    return text;
}

/* Whether the schema is that of an object. */
static bool takes_object(const keynet_function *function) {
    if (function->input_schema == NULL) return function->parameters != NULL;
    yyjson_doc *schema = yyjson_read(function->input_schema, strlen(function->input_schema), 0);
    bool is_object = yyjson_equals_str(yyjson_obj_get(yyjson_doc_get_root(schema), "type"), "object");
    yyjson_doc_free(schema);
    return is_object;
}

/* ---- The call */

/* Checks the parameters by their declarations. */
static bool check(const keynet_function *function, keynet_error *error) {
    yyjson_val *all = keynet_input();
    if (!yyjson_is_obj(all) && takes_object(function)) {
        return keynet_fail(error, KEYNET_ERROR_INVALID,
                           "the parameters: expected an object, came an array");
    }
    bool is_web = keynet_input_is_web();
    for (const keynet_parameter *each = function->parameters; each != NULL && each->name != NULL;
         each++) {
        if (keynet_input_has(each->name)) {
            yyjson_val *value = yyjson_obj_get(all, each->name);
            if (!keynet_value_is(value, each->type, is_web)) {
                return keynet_fail_parameter(error, each->name,
                                             keynet_parameter_type_text(each->type), value);
            }
        } else if (is_required(each)) {
            const char *description = each->description;
            return keynet_fail(error, KEYNET_ERROR_INVALID,
                               "the parameter `%s` is missing: expected %s%s%s%s", each->name,
                               keynet_parameter_type_text(each->type),
                               description != NULL ? ", \"" : "",
                               description != NULL ? description : "",
                               description != NULL ? "\"" : "");
        }
    }
    return true;
}

static bool write_result(yyjson_mut_doc *result, char **text, size_t *size, keynet_error *error) {
    yyjson_mut_val *root = yyjson_mut_doc_get_root(result);
    if (root == NULL) {
        return keynet_fail(error, KEYNET_ERROR_INTERNAL,
                           "the function returned true without a result: a result must be a JSON object "
                           "or array, made by keynet_result_object or keynet_result_array");
    }
    yyjson_write_err failed;
    char *written = yyjson_mut_write_opts(result, 0, NULL, size, &failed);
    if (written == NULL) {
        return keynet_fail(error, KEYNET_ERROR_INTERNAL, "the result cannot be written as JSON: %s",
                           failed.msg);
    }
    /* By its text: the root may be raw JSON. */
    if (written[0] != '{' && written[0] != '[') {
        keynet_fail(error, KEYNET_ERROR_INTERNAL,
                    "the function returned %.*s, but a result must be a JSON object or array",
                    (int)keynet_end_of_characters(written, *size, SHOWN), written);
        free(written);
        return false;
    }
    *text = written;
    return true;
}

/* Runs the function. An error without a kind is the function's mistake. */
static bool run(const keynet_function *function, yyjson_mut_doc *result, keynet_error *error) {
    if (function->run(result, error)) return true;
    if (error->kind != KEYNET_ERROR_NONE) return false;
    return keynet_fail(error, KEYNET_ERROR_INTERNAL, "the function failed without an error: it "
                                                     "returned false, and set none");
}

bool keynet_call(const keynet_function *function, const char *arguments, size_t size, char **result,
                 size_t *result_size, keynet_error *error) {
    if (!keynet_input_begin(function, arguments, size, error)) return false;
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    bool is_done = check(function, error) && run(function, document, error) &&
                   write_result(document, result, result_size, error);
    /* The function may have caught one. */
    if (is_done) keynet_error_clear(error);
    yyjson_mut_doc_free(document);
    keynet_input_end();
    fflush(stdout);
    return is_done;
}

/* ---- The exports */

void exports_keynet_inference_function_describe(
    exports_keynet_inference_function_function_info_t *info) {
    const keynet_function *function = keynet_registered_function();
    /* The host gives these back to be freed, where they are not empty. */
    info->name = keynet_text_to_host(keynet_format("%s", function->name));
    info->description = keynet_text_to_host(
        keynet_format("%s", function->description != NULL ? function->description : ""));
    char *schema = keynet_schema(function);
    info->input_schema = (action_option_string_t){schema != NULL, keynet_text_to_host(schema)};
}

bool exports_keynet_inference_function_run(action_string_t *arguments, action_string_t *result,
                                           exports_keynet_inference_function_error_t *failure) {
    /* Lines appear when they are written, also those before a trap or the end of the time. */
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    char *text = NULL;
    size_t size = 0;
    keynet_error error = {0};
    bool is_done = keynet_call(keynet_registered_function(), (const char *)arguments->ptr,
                               arguments->len, &text, &size, &error);
    keynet_free_list(arguments->ptr, arguments->len);
    if (is_done) {
        *result = (action_string_t){(uint8_t *)text, size};
    } else {
        failure->kind = (keynet_inference_types_error_kind_t)(error.kind - KEYNET_ERROR_INVALID);
        if (error.message != NULL) keynet_make_utf8(error.message);
        failure->message = keynet_text_to_host(error.message);
    }
    return is_done;
}
