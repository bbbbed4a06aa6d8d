/* keynet-inference: inference actions in C.
 *
 *     #include <keynet.h>
 *
 *     static bool greet(yyjson_mut_doc *result, keynet_error *error) {
 *         const char *name = NULL;
 *         if (!keynet_input_string("name", &name, error)) return false;
 *         yyjson_mut_val *object = keynet_result_object(result);
 *         yyjson_mut_obj_add_str(result, object, "hello", name);
 *         return true;
 *     }
 *
 *     KEYNET_FUNCTION(.name = "hello", .description = "Greets.", .run = greet,
 *                     .parameters = KEYNET_PARAMETERS(KEYNET_REQUIRED("name", STRING, "Whom to greet.")));
 *
 * Conventions, which hold for every function of this header:
 *
 * - A call that can fail returns `bool`: true for success. On failure it fills `error`, which may be
 *   NULL, and leaves its results as they were.
 * - Text is UTF-8 and ends with a zero byte. An argument is only read during the call.
 * - The caller owns what a call writes into a result, and gives it back with the function named at the
 *   type: `keynet_bytes_free`, `keynet_tensor_drop` and so on; a plain `char *` with `free`. They take
 *   a zeroed value and one that was given back before, and leave a zeroed one.
 * - `const` pointers that a call returns belong to the SDK. Those of parameters are valid until the
 *   function has returned.
 * - Memory never runs out: an allocation that fails ends the activation, which reports its limit.
 * - NULL stands for "none" wherever a comment allows it, and nowhere else.
 */
#ifndef KEYNET_H
#define KEYNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "yyjson.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define KEYNET_PRINTF(format, first) __attribute__((__format__(__printf__, format, first)))
#define KEYNET_NORETURN __attribute__((__noreturn__))
#else
#define KEYNET_PRINTF(format, first)
#define KEYNET_NORETURN
#endif

/* ---- Errors ---------------------------------------------------------------------------------- */

/* Why a call failed. */
typedef enum keynet_error_kind {
    /* It did not. */
    KEYNET_ERROR_NONE = 0,
    /* A name, location, shape, type or length is wrong. As the function's error it blames the caller. */
    KEYNET_ERROR_INVALID,
    /* No such model, version, object or bucket. */
    KEYNET_ERROR_NOT_FOUND,
    /* The deployment's policy, or the server behind it, does not allow it. */
    KEYNET_ERROR_DENIED,
    /* The object's etag is not the one that was asked for, or is the one already held. */
    KEYNET_ERROR_PRECONDITION_FAILED,
    /* More bytes, requests or handles than the deployment allows. */
    KEYNET_ERROR_TOO_LARGE,
    /* No answer in the time given, or in the time this activation has left. */
    KEYNET_ERROR_TIMEOUT,
    /* The server is down, busy or not configured. The same call may work later. */
    KEYNET_ERROR_UNAVAILABLE,
    /* Anything else: a fault of the host, of a server or of the action itself. */
    KEYNET_ERROR_INTERNAL,
} keynet_error_kind;

/* An error; `{0}` is none. */
typedef struct keynet_error {
    keynet_error_kind kind;
    /* A sentence for a person; NULL for none. */
    char *message;
} keynet_error;

/* Sets the error, which may be NULL, and returns false: `return keynet_fail(error, …)`. */
bool keynet_fail(keynet_error *error, keynet_error_kind kind, const char *format, ...)
    KEYNET_PRINTF(3, 4);

/* Puts a text and ": " before the message of an error that is set, and returns false. */
bool keynet_fail_context(keynet_error *error, const char *format, ...) KEYNET_PRINTF(2, 3);

/* Frees the message; the error is none afterwards. */
void keynet_error_clear(keynet_error *error);

/* Returns the kind's name, such as "not-found". */
const char *keynet_error_kind_name(keynet_error_kind kind);

/* Returns the kind with this name; KEYNET_ERROR_INTERNAL for any other text. */
keynet_error_kind keynet_error_kind_of_name(const char *name);

/* ---- Memory ---------------------------------------------------------------------------------- */

/* Bytes that were returned; `keynet_bytes_free` gives them back. */
typedef struct keynet_bytes {
    uint8_t *data;
    size_t size;
} keynet_bytes;

void keynet_bytes_free(keynet_bytes *bytes);

/* A run of bytes that another owns. */
typedef struct keynet_slice {
    const char *data;
    size_t size;
} keynet_slice;

/* A number that may be absent: `{0}`, or `KEYNET_SOME(30)`. */
typedef struct keynet_optional_u32 {
    bool is_set;
    uint32_t value;
} keynet_optional_u32;

#ifndef __cplusplus
#define KEYNET_SOME(number) ((keynet_optional_u32){true, (number)})
#endif

/* Returns memory for `size` bytes, to be given back with `free`. Ends the activation where there is
 * none. */
void *keynet_allocate(size_t size);

/* Returns a text made as by printf, to be given back with `free`. */
char *keynet_format(const char *format, ...) KEYNET_PRINTF(1, 2);

/* ---- The function ---------------------------------------------------------------------------- */

/* The JSON type of a parameter. */
typedef enum keynet_parameter_type {
    KEYNET_PARAM_ANY = 0,
    KEYNET_PARAM_STRING,
    KEYNET_PARAM_INTEGER,
    KEYNET_PARAM_NUMBER,
    KEYNET_PARAM_BOOLEAN,
    KEYNET_PARAM_ARRAY,
    KEYNET_PARAM_OBJECT,
} keynet_parameter_type;

/* A declared parameter. It is checked before the function runs, and part of the schema. */
typedef struct keynet_parameter {
    const char *name;
    keynet_parameter_type type;
    /* For callers; NULL for none. */
    const char *description;
    /* Whether it may be missing, or null. */
    bool optional;
    /* JSON text of the value that stands in for it where it is missing, such as "0.5". NULL for none. A
     * parameter with a default is optional. */
    const char *default_json;
} keynet_parameter;

/* An action's one function. */
typedef struct keynet_function {
    /* What callers invoke it by: a-z, 0-9 and `-`. */
    const char *name;
    /* A sentence or two for a person; `push` requires it. */
    const char *description;
    /* The declared parameters; the last one has no name. NULL for parameters that are not described. */
    const keynet_parameter *parameters;
    /* A JSON Schema of the parameters, as JSON text, instead of what `parameters` describes. NULL for
     * none. */
    const char *input_schema;
    /* Returns such a text, made when it is asked for and given back with `free`, instead of both. NULL for
     * none. */
    char *(*make_schema)(void);
    /* Sets the root of `result`, an object or an array, and returns true; or sets `error` and returns
     * false. Both belong to the SDK. */
    bool (*run)(yyjson_mut_doc *result, keynet_error *error);
} keynet_function;

/* The function of this action; `KEYNET_FUNCTION` defines it. */
const keynet_function *keynet_registered_function(void);

#ifndef __cplusplus
/* Makes a function the action's: `KEYNET_FUNCTION(.name = "hello", .run = hello);`, once, in one file.
 * Its arguments are the members of `keynet_function`. */
#define KEYNET_FUNCTION(...)                                                                        \
    static const keynet_function keynet_function_of_this_action = {__VA_ARGS__};                    \
    const keynet_function *keynet_registered_function(void) {                                       \
        return &keynet_function_of_this_action;                                                     \
    }                                                                                               \
    typedef int keynet_function_is_registered

/* Declares parameters:
 *
 *     .parameters = KEYNET_PARAMETERS(KEYNET_REQUIRED("name", STRING, "Whom to greet."),
 *                                     KEYNET_OPTIONAL("title", STRING, "How to address them."),
 *                                     KEYNET_DEFAULT("threshold", NUMBER, "From 0 to 1.", "0.5")) */
#define KEYNET_PARAMETERS(...)                                                                      \
    (const keynet_parameter[]) {                                                                    \
        __VA_ARGS__, { .name = NULL }                                                               \
    }
#endif
#define KEYNET_REQUIRED(name, type, description) {name, KEYNET_PARAM_##type, description, false, NULL}
#define KEYNET_OPTIONAL(name, type, description) {name, KEYNET_PARAM_##type, description, true, NULL}
#define KEYNET_DEFAULT(name, type, description, json) {name, KEYNET_PARAM_##type, description, true, json}

/* Makes the root of `result` an empty object, and returns it. */
yyjson_mut_val *keynet_result_object(yyjson_mut_doc *result);

/* Makes the root of `result` an empty array, and returns it. */
yyjson_mut_val *keynet_result_array(yyjson_mut_doc *result);

/* ---- Parameters ------------------------------------------------------------------------------
 *
 * The parameters of this activation as its caller sent them: never configuration or credentials.
 *
 * A getter without `_or` requires its parameter. With `_or` the fallback stands in for one that is
 * missing or null; a default of `KEYNET_PARAMETERS` comes before it. Both fail with
 * KEYNET_ERROR_INVALID for a value of another type.
 *
 * OpenWhisk sends the parameters of a web action's query as text. Where the caller is a web action, a
 * text such as "0.5", "12" or "true" is read as the number or boolean that the getter is for. */

/* Whether the parameter was sent, and not as null. */
bool keynet_input_has(const char *name);

bool keynet_input_string(const char *name, const char **value, keynet_error *error);
bool keynet_input_string_or(const char *name, const char *fallback, const char **value,
                            keynet_error *error);
bool keynet_input_int64(const char *name, int64_t *value, keynet_error *error);
bool keynet_input_int64_or(const char *name, int64_t fallback, int64_t *value, keynet_error *error);
bool keynet_input_uint64(const char *name, uint64_t *value, keynet_error *error);
bool keynet_input_uint64_or(const char *name, uint64_t fallback, uint64_t *value,
                            keynet_error *error);
bool keynet_input_double(const char *name, double *value, keynet_error *error);
bool keynet_input_double_or(const char *name, double fallback, double *value, keynet_error *error);
bool keynet_input_bool(const char *name, bool *value, keynet_error *error);
bool keynet_input_bool_or(const char *name, bool fallback, bool *value, keynet_error *error);
bool keynet_input_array(const char *name, yyjson_val **value, keynet_error *error);
bool keynet_input_object(const char *name, yyjson_val **value, keynet_error *error);

/* Returns the parameter as it was sent, or its default; NULL where there is neither. */
yyjson_val *keynet_input_value(const char *name);

/* Returns all parameters: an object; an array in a sequence whose action before returned one. */
yyjson_val *keynet_input(void);

/* Sets an error about a parameter that is not what the function expects, and returns false:
 * `return keynet_input_fail("threshold", "a number from 0 to 1", error);`. It tells what came. */
bool keynet_input_fail(const char *name, const char *expected, keynet_error *error);

/* Whether the caller is a web action, told by the parameter `__ow_method`. */
bool keynet_input_is_web(void);

/* ---- Logs ------------------------------------------------------------------------------------
 *
 * Standard output and standard error are the activation's logs. These write a line to standard error
 * with its level and place; those below the environment variable LOG_LEVEL (debug, info, warning,
 * error; info where it is not set) are left out. */

typedef enum keynet_log_level {
    KEYNET_LOG_DEBUG,
    KEYNET_LOG_INFO,
    KEYNET_LOG_WARNING,
    KEYNET_LOG_ERROR,
} keynet_log_level;

void keynet_log(keynet_log_level level, const char *file, int line, const char *format, ...)
    KEYNET_PRINTF(4, 5);

#define keynet_log_debug(...) keynet_log(KEYNET_LOG_DEBUG, __FILE__, __LINE__, __VA_ARGS__)
#define keynet_log_info(...) keynet_log(KEYNET_LOG_INFO, __FILE__, __LINE__, __VA_ARGS__)
#define keynet_log_warning(...) keynet_log(KEYNET_LOG_WARNING, __FILE__, __LINE__, __VA_ARGS__)
#define keynet_log_error(...) keynet_log(KEYNET_LOG_ERROR, __FILE__, __LINE__, __VA_ARGS__)

/* Ends the activation with a message that names this line: `KEYNET_PANIC("no box %d", number)`. For
 * what cannot happen; `assert` and `abort` do the same with less to say. */
#define KEYNET_PANIC(...) keynet_panic(__FILE__, __LINE__, __VA_ARGS__)

KEYNET_NORETURN void keynet_panic(const char *file, int line, const char *format, ...)
    KEYNET_PRINTF(3, 4);

/* ---- Tensors ---------------------------------------------------------------------------------- */

/* The type of an element, with Triton's names. */
typedef enum keynet_data_type {
    KEYNET_BOOL,
    KEYNET_UINT8,
    KEYNET_UINT16,
    KEYNET_UINT32,
    KEYNET_UINT64,
    KEYNET_INT8,
    KEYNET_INT16,
    KEYNET_INT32,
    KEYNET_INT64,
    /* IEEE 754 half precision, held in a uint16_t: see keynet_fp16_from. */
    KEYNET_FP16,
    /* bfloat16, held in a uint16_t: see keynet_bf16_from. */
    KEYNET_BF16,
    KEYNET_FP32,
    KEYNET_FP64,
    /* A byte string of any length: see keynet_tensor_from_slices. */
    KEYNET_BYTES,
} keynet_data_type;

/* Returns Triton's name, such as "FP32". */
const char *keynet_data_type_name(keynet_data_type data_type);

/* Finds the type with Triton's name. Returns false for any other text. */
bool keynet_data_type_of_name(const char *name, keynet_data_type *data_type);

/* Returns the size of an element in bytes; 0 for KEYNET_BYTES. */
size_t keynet_data_type_size(keynet_data_type data_type);

/* An immutable array in the host's memory, in row-major order. `keynet_tensor_drop` gives it back. */
typedef struct keynet_tensor {
    int32_t handle;
} keynet_tensor;

void keynet_tensor_drop(keynet_tensor *tensor);

/* The dimensions of a tensor, outermost first. `keynet_shape_free` gives them back. */
typedef struct keynet_shape {
    int64_t *sizes;
    size_t rank;
} keynet_shape;

void keynet_shape_free(keynet_shape *shape);

#ifndef __cplusplus
/* A shape as the two arguments `shape, rank`: `KEYNET_SHAPE(1, 3, 640, 640)`. */
#define KEYNET_SHAPE(...)                                                                           \
    (const int64_t[]){__VA_ARGS__}, (sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))
#endif

/* Copies `size` bytes of elements into a new tensor. Fails with KEYNET_ERROR_INVALID if they do not fill
 * the shape exactly. A BOOL is a byte, 0 or 1. */
bool keynet_tensor_create(keynet_data_type data_type, const int64_t *shape, size_t rank,
                          const void *data, size_t size, keynet_tensor *tensor,
                          keynet_error *error);

/* Makes a tensor of BYTES, an element for each slice. */
bool keynet_tensor_from_slices(const int64_t *shape, size_t rank, const keynet_slice *elements,
                               size_t count, keynet_tensor *tensor, keynet_error *error);

/* Makes a tensor of FP16, BF16, FP32 or FP64 of numbers that are rounded to it. */
bool keynet_tensor_from_doubles(keynet_data_type data_type, const int64_t *shape, size_t rank,
                                const double *values, size_t count, keynet_tensor *tensor,
                                keynet_error *error);

keynet_data_type keynet_tensor_data_type(keynet_tensor tensor);

/* Returns the size of the data in bytes. */
uint64_t keynet_tensor_size(keynet_tensor tensor);

void keynet_tensor_shape(keynet_tensor tensor, keynet_shape *shape);

/* Copies all data out of the host: elements that lie one after the other. Fails with
 * KEYNET_ERROR_INVALID if they are not of `data_type`. */
bool keynet_tensor_data(keynet_tensor tensor, keynet_data_type data_type, keynet_bytes *data,
                        keynet_error *error);

/* Copies `length` bytes from byte `offset` on; fewer, or none, where the data ends. */
void keynet_tensor_read(keynet_tensor tensor, uint64_t offset, uint64_t length,
                        keynet_bytes *data);

/* Copies the elements of FP16, BF16, FP32 or FP64 as numbers, to be given back with `free`. */
bool keynet_tensor_to_doubles(keynet_tensor tensor, double **values, size_t *count,
                              keynet_error *error);

/* The elements of a tensor of BYTES. `keynet_elements_free` gives them back. */
typedef struct keynet_elements {
    keynet_slice *elements;
    size_t count;
    keynet_bytes data;
} keynet_elements;

bool keynet_tensor_elements(keynet_tensor tensor, keynet_elements *elements, keynet_error *error);
void keynet_elements_free(keynet_elements *elements);

/* FP16 and BF16 from and to numbers, rounded to the nearest, ties to even. */
uint16_t keynet_fp16_from(double value);
double keynet_fp16_to(uint16_t bits);
uint16_t keynet_bf16_from(double value);
double keynet_bf16_to(uint16_t bits);

/* ---- Models ----------------------------------------------------------------------------------- */

/* A tensor of a request; it is lent, and stays the caller's. */
typedef struct keynet_named_tensor {
    const char *name;
    keynet_tensor tensor;
} keynet_named_tensor;

/* A question to a model; what is zeroed has its default. */
typedef struct keynet_request {
    /* `name`, `name:version`, `models:/name/3` or `models:/name@alias`; NULL for the deployment's
     * MODEL_NAME. */
    const char *model;
    const keynet_named_tensor *inputs;
    size_t input_count;
    /* The names of the outputs to return, in this order; NULL for all. */
    const char *const *outputs;
    size_t output_count;
    /* The longest wait in milliseconds; unset for the time this activation has left. */
    keynet_optional_u32 timeout_ms;
    /* For Triton, a JSON object such as {"priority": 1}; NULL for none. */
    const char *parameters;
} keynet_request;

/* An output of a model. */
typedef struct keynet_output {
    char *name;
    keynet_tensor tensor;
} keynet_output;

/* A model's answer. `keynet_outputs_free` drops its tensors, but for those that were taken. */
typedef struct keynet_outputs {
    keynet_output *outputs;
    size_t count;
} keynet_outputs;

void keynet_outputs_free(keynet_outputs *outputs);

/* Finds an output by its name; it stays with `outputs`. */
bool keynet_outputs_get(const keynet_outputs *outputs, const char *name, keynet_tensor *tensor,
                        keynet_error *error);

/* The same, and the tensor becomes the caller's. */
bool keynet_outputs_take(keynet_outputs *outputs, const char *name, keynet_tensor *tensor,
                         keynet_error *error);

/* Asks a model and waits for its answer. */
bool keynet_predict(const keynet_request *request, keynet_outputs *outputs, keynet_error *error);

/* The outcome of one of many requests. `keynet_prediction_free` gives it back. */
typedef struct keynet_prediction {
    keynet_outputs outputs;
    /* KEYNET_ERROR_NONE where it has outputs. */
    keynet_error error;
} keynet_prediction;

void keynet_prediction_free(keynet_prediction *prediction);

/* Asks all at once, so that the server can batch them, at most 256. `predictions` has room for `count`
 * and gets the outcome of each request in their order. */
void keynet_predict_many(const keynet_request *requests, size_t count,
                         keynet_prediction *predictions);

/* The answers of a model that may answer a request many times. `keynet_stream_drop` cancels the rest. */
typedef struct keynet_stream {
    int32_t handle;
} keynet_stream;

void keynet_stream_drop(keynet_stream *stream);

bool keynet_predict_stream(const keynet_request *request, keynet_stream *stream,
                           keynet_error *error);

/* Waits for the next answer. Sets `*ended` where the model has sent its last, and `outputs` otherwise.
 * After an error there is nothing more. */
bool keynet_stream_next(keynet_stream *stream, keynet_outputs *outputs, bool *ended,
                        keynet_error *error);

/* An input or output as a model declares it; -1 stands for any size. */
typedef struct keynet_tensor_info {
    char *name;
    keynet_data_type data_type;
    keynet_shape shape;
} keynet_tensor_info;

/* A model's description. `keynet_model_free` gives it back. */
typedef struct keynet_model {
    char *name;
    /* What runs it, such as "onnxruntime_onnx". */
    char *platform;
    char **versions;
    size_t version_count;
    keynet_tensor_info *inputs;
    size_t input_count;
    keynet_tensor_info *outputs;
    size_t output_count;
} keynet_model;

void keynet_model_free(keynet_model *model);

/* Describes a model; NULL for the deployment's MODEL_NAME. */
bool keynet_model_metadata(const char *name, keynet_model *model, keynet_error *error);

/* ---- Objects ----------------------------------------------------------------------------------
 *
 * A location is a key of the default bucket (`20260131/cat.png`), `s3://bucket/key` or, only to read, an
 * http(s) URL. */

/* Reads a whole object. */
bool keynet_storage_get(const char *location, keynet_bytes *data, keynet_error *error);

/* Reads an object unless it still has this etag. `*changed` tells whether it was read. */
bool keynet_storage_get_if_changed(const char *location, const char *etag, bool *changed,
                                   keynet_bytes *data, keynet_error *error);

/* What the store knows about an object. `keynet_object_info_free` gives it back. */
typedef struct keynet_object_info {
    char *location;
    uint64_t size;
    /* NULL in a listing, or when unknown. */
    char *content_type;
    /* NULL where the store has none. */
    char *etag;
    /* The last change in milliseconds since 1970-01-01 UTC; 0 when unknown. */
    uint64_t modified_ms;
} keynet_object_info;

void keynet_object_info_free(keynet_object_info *info);

bool keynet_storage_head(const char *location, keynet_object_info *info, keynet_error *error);

/* An object opened for reading; its bytes stay in the store. `keynet_object_close` closes it. */
typedef struct keynet_object {
    int32_t handle;
} keynet_object;

bool keynet_storage_open(const char *location, keynet_object *object, keynet_error *error);
void keynet_object_close(keynet_object *object);
uint64_t keynet_object_size(keynet_object object);

/* Return a text to be given back with `free`; NULL where the store knows none. */
char *keynet_object_content_type(keynet_object object);
char *keynet_object_etag(keynet_object object);

/* Reads `length` bytes from byte `offset` on; fewer, or none, where the object ends. Fails with
 * KEYNET_ERROR_PRECONDITION_FAILED once the object was replaced. */
bool keynet_object_read(keynet_object object, uint64_t offset, uint64_t length, keynet_bytes *data,
                        keynet_error *error);

/* Makes the whole object a tensor that does not pass through the action's memory. */
bool keynet_object_to_tensor(keynet_object object, keynet_data_type data_type, const int64_t *shape,
                             size_t rank, keynet_tensor *tensor, keynet_error *error);

/* How an object is stored; what is zeroed has its default. */
typedef struct keynet_put_options {
    /* NULL for a new key `YYYYMMDD/uuid`. */
    const char *location;
    /* NULL for `application/octet-stream`. */
    const char *content_type;
    /* Only over the content that has this etag; NULL for any. */
    const char *if_match;
    /* Only where nothing is. */
    bool if_absent;
} keynet_put_options;

/* Where an object went. `keynet_stored_free` gives it back. */
typedef struct keynet_stored {
    char *location;
    /* A presigned URL that reads it; empty where the action may not read the location. */
    char *url;
    /* NULL where the store has none. */
    char *etag;
} keynet_stored;

void keynet_stored_free(keynet_stored *stored);

/* Stores an object. `options` and `stored` may be NULL. */
bool keynet_storage_put(const void *data, size_t size, const keynet_put_options *options,
                        keynet_stored *stored, keynet_error *error);

/* Stores a tensor's data, which does not pass through the action's memory. `location`, `content_type` and
 * `stored` may be NULL. */
bool keynet_storage_put_tensor(keynet_tensor tensor, const char *location, const char *content_type,
                               keynet_stored *stored, keynet_error *error);

/* An object being written in parts, for what does not fit in memory. It becomes visible when it is
 * finished; `keynet_upload_drop` aborts it otherwise. */
typedef struct keynet_upload {
    int32_t handle;
} keynet_upload;

/* `location` and `content_type` may be NULL. */
bool keynet_storage_upload(const char *location, const char *content_type, keynet_upload *upload,
                           keynet_error *error);
bool keynet_upload_write(keynet_upload upload, const void *data, size_t size, keynet_error *error);
/* `stored` may be NULL. The upload is given back where this succeeds. */
bool keynet_upload_finish(keynet_upload *upload, keynet_stored *stored, keynet_error *error);
bool keynet_upload_abort(keynet_upload *upload, keynet_error *error);
void keynet_upload_drop(keynet_upload *upload);

/* Returns a URL with which anyone can read the object, to be given back with `free`. An unset `ttl_seconds`
 * is the deployment's default. */
bool keynet_storage_presign(const char *location, keynet_optional_u32 ttl_seconds, char **url,
                            keynet_error *error);

/* Returns a new location and a URL with which anyone can write it by HTTP PUT, both to be given back with
 * `free`. `location` and `content_type` may be NULL; a writer must send that MIME type. */
bool keynet_storage_presign_put(const char *location, const char *content_type,
                                keynet_optional_u32 ttl_seconds, char **written, char **url,
                                keynet_error *error);

/* A part of a listing. `keynet_page_free` gives it back. */
typedef struct keynet_page {
    keynet_object_info *objects;
    size_t count;
    /* The cursor of the next part; NULL at the end. */
    char *next;
} keynet_page;

void keynet_page_free(keynet_page *page);

/* Lists objects whose location starts with `prefix`, at most 1,000; from `cursor` on, NULL for the
 * beginning. */
bool keynet_storage_list(const char *prefix, const char *cursor, keynet_page *page,
                         keynet_error *error);

/* Deletes an object; deleting one that is not there succeeds. */
bool keynet_storage_delete(const char *location, keynet_error *error);

#ifdef __cplusplus
}
#endif
#endif
