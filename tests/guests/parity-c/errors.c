/* Errors: raised by the action, and those of the host, caught by kind. */
#include <stdio.h>
#include <string.h>

#include "parity.h"

bool raise_kind(yyjson_mut_doc *result, keynet_error *error) {
    (void)result;
    const char *kind = NULL, *message = NULL;
    if (!keynet_input_string("kind", &kind, error) ||
        !keynet_input_string("message", &message, error)) {
        return false;
    }
    return keynet_fail(error, keynet_error_kind_of_name(kind), "%s", message);
}

static bool predict(const char *model, const char *input, keynet_optional_u32 timeout_ms,
                    keynet_error *error) {
    const float values[] = {1.5F, -2.0F};
    keynet_named_tensor two = {.name = input};
    if (!keynet_tensor_create(KEYNET_FP32, KEYNET_SHAPE(1, 2), values, sizeof values, &two.tensor,
                              error)) {
        return false;
    }
    keynet_request request = {
        .model = model, .inputs = &two, .input_count = 1, .timeout_ms = timeout_ms};
    keynet_outputs outputs = {0};
    bool is_done = keynet_predict(&request, &outputs, error);
    keynet_outputs_free(&outputs);
    keynet_tensor_drop(&two.tensor);
    return is_done;
}

static bool get(const char *location, keynet_error *error) {
    keynet_bytes data = {0};
    bool is_done = keynet_storage_get(location, &data, error);
    keynet_bytes_free(&data);
    return is_done;
}

static bool write_twice(keynet_error *error) {
    keynet_put_options once = {.location = "parity/once", .if_absent = true};
    keynet_storage_put("1", 1, &once, NULL, NULL);
    return keynet_storage_put("2", 1, &once, NULL, error);
}

static bool read_too_much(keynet_error *error) {
    static const char zeros[4096];
    keynet_put_options large = {.location = "parity/large"};
    return keynet_storage_put(zeros, sizeof zeros, &large, NULL, error) &&
           get("parity/large", error);
}

/* Makes the call; it fails. */
static bool call(const char *name, keynet_error *error) {
    keynet_optional_u32 any = {0};
    if (strcmp(name, "missing-object") == 0) return get("parity/missing", error);
    if (strcmp(name, "bad-location") == 0) return get("ftp://host/key", error);
    if (strcmp(name, "other-bucket") == 0) return get("s3://parity-elsewhere/key", error);
    if (strcmp(name, "write-twice") == 0) return write_twice(error);
    if (strcmp(name, "read-too-much") == 0) return read_too_much(error);
    if (strcmp(name, "missing-model") == 0) return predict("nobody", "in", any, error);
    if (strcmp(name, "wrong-input") == 0) return predict("identity_fp32", "nothing", any, error);
    if (strcmp(name, "no-registry") == 0) {
        return predict("models:/identity_fp32@best", "in", any, error);
    }
    if (strcmp(name, "no-time") == 0) return predict("identity_fp32", "in", KEYNET_SOME(0), error);
    return keynet_fail(error, KEYNET_ERROR_INTERNAL, "there is no call `%s`", name);
}

/* Makes a call that fails, and answers with how it was caught. */
bool catch_call(yyjson_mut_doc *result, keynet_error *error) {
    const char *name = NULL;
    if (!keynet_input_string("call", &name, error)) return false;
    keynet_error caught = {0};
    if (call(name, &caught)) {
        return keynet_fail(error, KEYNET_ERROR_INTERNAL, "the call did not fail");
    }
    puts(caught.message);
    const char *kind = "internal";
    switch (caught.kind) {
    case KEYNET_ERROR_INVALID: kind = "invalid"; break;
    case KEYNET_ERROR_NOT_FOUND: kind = "not-found"; break;
    case KEYNET_ERROR_DENIED: kind = "denied"; break;
    case KEYNET_ERROR_PRECONDITION_FAILED: kind = "precondition-failed"; break;
    case KEYNET_ERROR_TOO_LARGE: kind = "too-large"; break;
    case KEYNET_ERROR_TIMEOUT: kind = "timeout"; break;
    case KEYNET_ERROR_UNAVAILABLE: kind = "unavailable"; break;
    default: break;
    }
    keynet_error_clear(&caught);
    yyjson_mut_obj_add_str(result, keynet_result_object(result), "caught", kind);
    return true;
}
