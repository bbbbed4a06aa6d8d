/* What the parts of the SDK share; not for actions. */
#ifndef KEYNET_INTERNAL_H
#define KEYNET_INTERNAL_H

#include "action.h"
#include "keynet.h"

/* Texts and lists that the host returns are the SDK's to free. Those of length 0 are no allocation:
 * their pointer must not be freed. */

/* Returns the text with a zero byte at its end, and frees the host's. */
char *keynet_text_from_host(action_string_t text);

/* Lends a text to the host. NULL is an empty text. */
action_string_t keynet_text_to_host(const char *text);

/* Lends a text that may be absent; NULL for none. */
action_string_t *keynet_option_to_host(const char *text, action_string_t *room);

/* Whether a text is UTF-8, which the host requires. Sets an error that names it as `what` otherwise. */
bool keynet_check_text(const char *what, const char *text, keynet_error *error);

/* Replaces the bytes of a text that are not UTF-8 by `?`. */
void keynet_make_utf8(char *text);

/* Returns the largest size of at most `most` that cuts no character of the text. */
size_t keynet_end_of_characters(const char *text, size_t size, size_t most);

/* Frees a list that the host returned. */
void keynet_free_list(void *list, size_t length);

/* Sets `error` from the host's, whose message it frees. Returns false. */
bool keynet_fail_from_host(keynet_error *error, keynet_inference_types_error_t from_host);

/* Moves an option's text out; NULL for none. */
char *keynet_option_from_host(action_option_string_t option);

/* Takes over a list of bytes. */
keynet_bytes keynet_bytes_from_host(action_list_u8_t list);

/* Lends a shape. */
action_list_s64_t keynet_shape_to_host(const int64_t *shape, size_t rank);

/* Takes over a shape. */
keynet_shape keynet_shape_from_host(action_list_s64_t list);

/* Takes over outputs with their tensors. */
keynet_outputs keynet_outputs_from_host(keynet_inference_triton_predict_list_output_t list);

/* Runs a function with the parameters in `arguments`. On success `*result` is JSON text to be freed. */
bool keynet_call(const keynet_function *function, const char *arguments, size_t size, char **result,
                 size_t *result_size, keynet_error *error);

/* Returns the JSON Schema of a function's parameters, to be freed; NULL where they are not described. */
char *keynet_schema(const keynet_function *function);

/* ---- Parameters, for the run */

/* Makes `arguments` the current parameters. `declared` may be NULL. */
bool keynet_input_begin(const keynet_function *function, const char *arguments, size_t size,
                        keynet_error *error);
void keynet_input_end(void);

/* The text of a parameter's type: "a string". */
const char *keynet_parameter_type_text(keynet_parameter_type type);

/* Sets an error about the value of the parameter `name`. Returns false. */
bool keynet_fail_parameter(keynet_error *error, const char *name, const char *expected,
                           yyjson_val *came);

/* Whether `value` can be read as `type`; a web action's text counts as what it says. */
bool keynet_value_is(yyjson_val *value, keynet_parameter_type type, bool is_web);

#endif
