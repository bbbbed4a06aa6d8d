/* Tests of an action's code on the machine that builds it: parameters, objects and models in memory.
 *
 *     #include <assert.h>
 *     #include <keynet_testing.h>
 *
 *     int main(void) {
 *         keynet_testing_reset();
 *         keynet_testing_parameters("{\"name\": \"Ada\"}");
 *         char *result = NULL;
 *         assert(keynet_testing_call(&result, NULL));
 *         assert(strcmp(result, "{\"hello\":\"Ada\"}") == 0);
 *         free(result);
 *     }
 *
 * Compile the action, this test and the SDK (its `src`, `testing` and `vendor`) with the machine's own
 * compiler; with `-fsanitize=address,undefined` mistakes with memory are told. Keys, etags and URLs of what
 * is stored follow from the order of storing, so that a test can expect them. */
#ifndef KEYNET_TESTING_H
#define KEYNET_TESTING_H

#include "keynet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Removes parameters, objects and models. */
void keynet_testing_reset(void);

/* Sets the parameters that the caller sends, as JSON text. */
void keynet_testing_parameters(const char *json);

/* Runs the action's function as the runtime does. `*result` is JSON text, to be given back with `free`.
 * `error` may be NULL. */
bool keynet_testing_call(char **result, keynet_error *error);

/* Runs code that reads parameters outside of the function: between the two, getters work. Fails where the
 * parameters are not JSON. */
bool keynet_testing_begin(keynet_error *error);
void keynet_testing_end(void);

/* Returns the JSON Schema of the action's parameters, to be given back with `free`; NULL for none. */
char *keynet_testing_schema(void);

/* Adds an object: under a key, an `s3://bucket/key`, or an http(s) URL to be read. `content_type` may be
 * NULL. */
void keynet_testing_object(const char *location, const void *data, size_t size,
                           const char *content_type);

/* An object in memory. */
typedef struct keynet_testing_stored {
    const char *location;
    const void *data;
    size_t size;
    /* NULL for none. */
    const char *content_type;
    const char *etag;
    /* Whether the action stored it. */
    bool by_action;
} keynet_testing_stored;

/* Returns the object at a location, NULL where there is none. It is valid until the next change. */
const keynet_testing_stored *keynet_testing_find(const char *location);

/* Returns how many objects the action stored, and the one at a position. */
size_t keynet_testing_written_count(void);
const keynet_testing_stored *keynet_testing_written(size_t position);

/* The answers of a model under way. */
typedef struct keynet_testing_answers keynet_testing_answers;

/* A model: reads its inputs and adds its outputs. It may set `error` and return false. */
typedef bool (*keynet_testing_model)(const keynet_outputs *inputs, keynet_testing_answers *answers,
                                     void *context, keynet_error *error);

/* Adds a model. The first is the one asked where no name is given. */
void keynet_testing_add_model(const char *name, keynet_testing_model model, void *context);

/* Adds an output to the answer; the tensor is the model's no more. */
void keynet_testing_output(keynet_testing_answers *answers, const char *name, keynet_tensor tensor);

/* Begins another answer of a stream. A model that never calls this answers once. */
void keynet_testing_next_answer(keynet_testing_answers *answers);

/* Makes a stream end without an answer. */
void keynet_testing_no_answer(keynet_testing_answers *answers);

/* Declares an input, or an output, of a model that was added. Inputs of another type are refused from then
 * on. */
void keynet_testing_declare_input(const char *model, const char *name, keynet_data_type data_type,
                                  const int64_t *shape, size_t rank);
void keynet_testing_declare_output(const char *model, const char *name, keynet_data_type data_type,
                                   const int64_t *shape, size_t rank);

/* Returns how many tensors, streams, opened objects and uploads were not given back. */
size_t keynet_testing_open_handles(void);

#ifdef __cplusplus
}
#endif
#endif
