/* The caller's parameters. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* The parameter that web actions have and others do not. */
static const char WEB[] = "__ow_method";

/* How many bytes of a mistaken value an error repeats. */
enum { SHOWN = 60 };

/* The longest text that can be a number. */
enum { NUMBER_TEXT = 512 };

/* The parameters of the running function. */
static struct {
    yyjson_doc *arguments;
    const keynet_parameter *declared;
    /* Defaults that were asked for, by the position of their parameter. */
    yyjson_doc **defaults;
    size_t declared_count;
} current;

/* ---- The run */

bool keynet_input_begin(const keynet_function *function, const char *arguments, size_t size,
                        keynet_error *error) {
    yyjson_read_err read;
    /* The reader changes nothing without YYJSON_READ_INSITU. */
    yyjson_doc *document = yyjson_read_opts((char *)arguments, size, 0, NULL, &read);
    if (document == NULL && read.code == YYJSON_READ_ERROR_INVALID_NUMBER) {
        return keynet_fail(error, KEYNET_ERROR_INVALID,
                           "the parameters: a number is out of the range of a double, about 1.8e308");
    }
    if (document == NULL) {
        return keynet_fail(error, KEYNET_ERROR_INVALID,
                           "the parameters cannot be read as JSON: %s at byte %zu", read.msg,
                           read.pos);
    }
    keynet_input_end();
    current.arguments = document;
    current.declared = function->parameters;
    while (current.declared != NULL && current.declared[current.declared_count].name != NULL) {
        current.declared_count++;
    }
    if (current.declared_count > 0) {
        size_t room = current.declared_count * sizeof *current.defaults;
        current.defaults = keynet_allocate(room);
        memset(current.defaults, 0, room);
    }
    return true;
}

void keynet_input_end(void) {
    for (size_t at = 0; at < current.declared_count; at++) yyjson_doc_free(current.defaults[at]);
    free(current.defaults);
    yyjson_doc_free(current.arguments);
    memset(&current, 0, sizeof current);
}

yyjson_val *keynet_input(void) {
    return yyjson_doc_get_root(current.arguments);
}

bool keynet_input_is_web(void) {
    return yyjson_obj_get(keynet_input(), WEB) != NULL;
}

/* ---- Values */

static yyjson_val *sent(const char *name) {
    yyjson_val *value = yyjson_obj_get(keynet_input(), name);
    return yyjson_is_null(value) ? NULL : value;
}

bool keynet_input_has(const char *name) {
    return sent(name) != NULL;
}

static yyjson_val *default_of(const char *name) {
    for (size_t at = 0; at < current.declared_count; at++) {
        const keynet_parameter *parameter = &current.declared[at];
        if (parameter->default_json == NULL || strcmp(parameter->name, name) != 0) continue;
        yyjson_doc **document = &current.defaults[at];
        if (*document == NULL) {
            *document = yyjson_read(parameter->default_json, strlen(parameter->default_json), 0);
        }
        return yyjson_doc_get_root(*document);
    }
    return NULL;
}

yyjson_val *keynet_input_value(const char *name) {
    yyjson_val *value = yyjson_obj_get(keynet_input(), name);
    if (value != NULL && !yyjson_is_null(value)) return value;
    yyjson_val *instead = default_of(name);
    return instead != NULL ? instead : value;
}

/* Sets `*value` to the parameter; NULL where it is absent. Fails where the parameters are an array. */
static bool find(const char *name, yyjson_val **value, keynet_error *error) {
    if (yyjson_is_arr(keynet_input())) {
        return keynet_fail(error, KEYNET_ERROR_INVALID,
                           "the parameters: expected an object, came an array");
    }
    yyjson_val *found = sent(name);
    *value = found != NULL ? found : default_of(name);
    return true;
}

static bool fail_missing(const char *name, keynet_error *error) {
    return keynet_fail(error, KEYNET_ERROR_INVALID, "the parameter `%s` is missing", name);
}

/* ---- What is wrong with one */

static char *describe_came(yyjson_val *came) {
    switch (yyjson_get_type(came)) {
    case YYJSON_TYPE_ARR: return keynet_format("an array");
    case YYJSON_TYPE_OBJ: return keynet_format("an object");
    case YYJSON_TYPE_NONE: return keynet_format("nothing");
    case YYJSON_TYPE_NULL: return keynet_format("null");
    case YYJSON_TYPE_BOOL: return keynet_format("boolean %s", yyjson_get_bool(came) ? "true" : "false");
    default: break;
    }
    size_t size = 0;
    char *text = yyjson_val_write(came, 0, &size);
    const char *kind = yyjson_is_str(came) ? "string" : "number";
    char *described = NULL;
    if (size > SHOWN) {
        size_t end = keynet_end_of_characters(text, size, SHOWN);
        described = keynet_format("%s %.*s…", kind, (int)end, text);
    } else {
        described = keynet_format("%s %s", kind, text != NULL ? text : "");
    }
    free(text);
    return described;
}

bool keynet_fail_parameter(keynet_error *error, const char *name, const char *expected,
                           yyjson_val *came) {
    char *described = describe_came(came);
    keynet_fail(error, KEYNET_ERROR_INVALID, "the parameter `%s`: expected %s, came %s", name,
                expected, described);
    free(described);
    return false;
}

bool keynet_input_fail(const char *name, const char *expected, keynet_error *error) {
    return keynet_fail_parameter(error, name, expected, keynet_input_value(name));
}

const char *keynet_parameter_type_text(keynet_parameter_type type) {
    switch (type) {
    case KEYNET_PARAM_STRING: return "a string";
    case KEYNET_PARAM_INTEGER: return "a whole number";
    case KEYNET_PARAM_NUMBER: return "a number";
    case KEYNET_PARAM_BOOLEAN: return "true or false";
    case KEYNET_PARAM_ARRAY: return "an array";
    case KEYNET_PARAM_OBJECT: return "an object";
    case KEYNET_PARAM_ANY: break;
    }
    return "a value";
}

/* ---- Texts of a web action */

/* Copies a text without the spaces around it, for strto…; false where it is none of a number: those take
 * "0x10", "inf" and the start of "12abc" too. */
static bool number_text(yyjson_val *value, const char *letters, char room[NUMBER_TEXT]) {
    const char *text = yyjson_get_str(value);
    size_t size = yyjson_get_len(value);
    while (size > 0 && strchr(" \t\r\n", text[0]) != NULL && text[0] != '\0') text++, size--;
    while (size > 0 && strchr(" \t\r\n", text[size - 1]) != NULL && text[size - 1] != '\0') size--;
    if (size == 0 || size >= NUMBER_TEXT) return false;
    for (size_t at = 0; at < size; at++) {
        if (text[at] == '\0' || strchr(letters, text[at]) == NULL) return false;
    }
    memcpy(room, text, size);
    room[size] = '\0';
    return true;
}

static bool int64_of_text(yyjson_val *value, int64_t *number) {
    char text[NUMBER_TEXT];
    if (!number_text(value, "+-0123456789", text)) return false;
    char *end = NULL;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0') return false;
    *number = parsed;
    return true;
}

static bool uint64_of_text(yyjson_val *value, uint64_t *number) {
    char text[NUMBER_TEXT];
    if (!number_text(value, "+0123456789", text)) return false;
    char *end = NULL;
    errno = 0;
    unsigned long long parsed = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0') return false;
    *number = parsed;
    return true;
}

static bool double_of_text(yyjson_val *value, double *number) {
    char text[NUMBER_TEXT];
    if (!number_text(value, "+-.eE0123456789", text)) return false;
    char *end = NULL;
    double parsed = strtod(text, &end);
    if (*end != '\0' || end == text || !isfinite(parsed)) return false;
    *number = parsed;
    return true;
}

static bool bool_of_text(yyjson_val *value, bool *flag) {
    static const struct {
        const char *text;
        bool flag;
    } WORDS[] = {{"true", true}, {"1", true}, {"false", false}, {"0", false}};
    char text[NUMBER_TEXT];
    if (!number_text(value, "01trueTRUEfalsFALS", text)) return false;
    for (char *letter = text; *letter != '\0'; letter++) {
        if (*letter >= 'A' && *letter <= 'Z') *letter = (char)(*letter - 'A' + 'a');
    }
    for (size_t at = 0; at < sizeof WORDS / sizeof *WORDS; at++) {
        if (strcmp(text, WORDS[at].text) == 0) {
            *flag = WORDS[at].flag;
            return true;
        }
    }
    return false;
}

/* ---- Reading one */

static bool is_web_text(yyjson_val *value, bool is_web) {
    return is_web && yyjson_is_str(value);
}

static bool read_int64(yyjson_val *value, bool is_web, int64_t *number) {
    if (is_web_text(value, is_web)) return int64_of_text(value, number);
    if (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX) return false;
    if (!yyjson_is_int(value)) return false;
    *number = yyjson_get_sint(value);
    return true;
}

static bool read_uint64(yyjson_val *value, bool is_web, uint64_t *number) {
    if (is_web_text(value, is_web)) return uint64_of_text(value, number);
    if (!yyjson_is_uint(value)) return false;
    *number = yyjson_get_uint(value);
    return true;
}

static bool read_double(yyjson_val *value, bool is_web, double *number) {
    if (is_web_text(value, is_web)) return double_of_text(value, number);
    if (!yyjson_is_num(value)) return false;
    *number = yyjson_get_num(value);
    return true;
}

static bool read_bool(yyjson_val *value, bool is_web, bool *flag) {
    if (is_web_text(value, is_web)) return bool_of_text(value, flag);
    if (!yyjson_is_bool(value)) return false;
    *flag = yyjson_get_bool(value);
    return true;
}

bool keynet_value_is(yyjson_val *value, keynet_parameter_type type, bool is_web) {
    int64_t whole = 0;
    uint64_t natural = 0;
    double number = 0;
    bool flag = false;
    switch (type) {
    case KEYNET_PARAM_STRING: return yyjson_is_str(value);
    case KEYNET_PARAM_INTEGER:
        return read_int64(value, is_web, &whole) || read_uint64(value, is_web, &natural);
    case KEYNET_PARAM_NUMBER: return read_double(value, is_web, &number);
    case KEYNET_PARAM_BOOLEAN: return read_bool(value, is_web, &flag);
    case KEYNET_PARAM_ARRAY: return yyjson_is_arr(value);
    case KEYNET_PARAM_OBJECT: return yyjson_is_obj(value);
    case KEYNET_PARAM_ANY: break;
    }
    return true;
}

/* ---- Getters */

bool keynet_input_string_or(const char *name, const char *fallback, const char **value,
                            keynet_error *error) {
    yyjson_val *found = NULL;
    if (!find(name, &found, error)) return false;
    if (found == NULL) {
        *value = fallback;
        return true;
    }
    if (!yyjson_is_str(found)) return keynet_fail_parameter(error, name, "a string", found);
    if (strlen(yyjson_get_str(found)) != yyjson_get_len(found)) {
        return keynet_fail(error, KEYNET_ERROR_INVALID,
                           "the parameter `%s`: it has the character U+0000", name);
    }
    *value = yyjson_get_str(found);
    return true;
}

bool keynet_input_string(const char *name, const char **value, keynet_error *error) {
    const char *found = NULL;
    if (!keynet_input_string_or(name, NULL, &found, error)) return false;
    if (found == NULL) return fail_missing(name, error);
    *value = found;
    return true;
}

/* A getter with a fallback and one without it. */
#define GETTERS(kind, type, expected)                                                               \
    static bool get_##kind(const char *name, type *value, bool *is_absent, keynet_error *error) {   \
        yyjson_val *found = NULL;                                                                   \
        if (!find(name, &found, error)) return false;                                               \
        *is_absent = found == NULL;                                                                 \
        if (*is_absent || read_##kind(found, keynet_input_is_web(), value)) return true;            \
        return keynet_fail_parameter(error, name, expected, found);                                 \
    }                                                                                               \
    bool keynet_input_##kind##_or(const char *name, type fallback, type *value,                     \
                                  keynet_error *error) {                                            \
        bool is_absent = false;                                                                     \
        if (!get_##kind(name, value, &is_absent, error)) return false;                              \
        if (is_absent) *value = fallback;                                                           \
        return true;                                                                                \
    }                                                                                               \
    bool keynet_input_##kind(const char *name, type *value, keynet_error *error) {                  \
        bool is_absent = false;                                                                     \
        if (!get_##kind(name, value, &is_absent, error)) return false;                              \
        return is_absent ? fail_missing(name, error) : true;                                        \
    }

GETTERS(int64, int64_t, "a whole number (64 bits)")
GETTERS(uint64, uint64_t, "a whole number, 0 or more (64 bits)")
GETTERS(double, double, "a number")
GETTERS(bool, bool, "true or false")

static bool get_json(const char *name, keynet_parameter_type type, yyjson_val **value,
                     keynet_error *error) {
    yyjson_val *found = NULL;
    if (!find(name, &found, error)) return false;
    if (found == NULL) return fail_missing(name, error);
    if (!keynet_value_is(found, type, false)) {
        return keynet_fail_parameter(error, name, keynet_parameter_type_text(type), found);
    }
    *value = found;
    return true;
}

bool keynet_input_array(const char *name, yyjson_val **value, keynet_error *error) {
    return get_json(name, KEYNET_PARAM_ARRAY, value, error);
}

bool keynet_input_object(const char *name, yyjson_val **value, keynet_error *error) {
    return get_json(name, KEYNET_PARAM_OBJECT, value, error);
}
