/* The host in memory: handles, tensors, and the calls of tests. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory_host.h"

static struct {
    char *parameters;
    memory_slot *slots;
    size_t count;
} host;

/* ---- Texts and lists */

void *memory_copy(const void *data, size_t size) {
    void *copy = keynet_allocate(size);
    if (size > 0) memcpy(copy, data, size);
    return copy;
}

char *memory_text(action_string_t text) {
    char *copy = keynet_allocate(text.len + 1);
    if (text.len > 0) memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

/* The address of a list without elements: it must be neither read nor freed. */
static void *nowhere(void) {
    return (void *)8;
}

action_string_t memory_to_action(const char *text) {
    size_t size = strlen(text);
    return (action_string_t){size > 0 ? memory_copy(text, size) : nowhere(), size};
}

action_option_string_t memory_to_option(const char *text) {
    action_option_string_t option = {0};
    option.is_some = text != NULL;
    if (text != NULL) option.val = memory_to_action(text);
    return option;
}

action_list_u8_t memory_to_bytes(const uint8_t *data, size_t size) {
    return (action_list_u8_t){size > 0 ? memory_copy(data, size) : nowhere(), size};
}

action_list_s64_t memory_to_shape(const int64_t *shape, size_t rank) {
    return (action_list_s64_t){rank > 0 ? memory_copy(shape, rank * sizeof *shape) : nowhere(), rank};
}

bool memory_fail_with(keynet_inference_types_error_t *failure, keynet_error *error) {
    failure->kind = (keynet_inference_types_error_kind_t)(
        error->kind == KEYNET_ERROR_NONE ? KEYNET_INFERENCE_TYPES_ERROR_KIND_INTERNAL
                                         : error->kind - KEYNET_ERROR_INVALID);
    failure->message = memory_to_action(error->message != NULL ? error->message : "it failed");
    keynet_error_clear(error);
    return false;
}

bool memory_fail(keynet_inference_types_error_t *failure, keynet_error_kind kind,
                 const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    keynet_error error = {0};
    keynet_fail(&error, kind, "%s", text);
    return memory_fail_with(failure, &error);
}

/* ---- Handles: the position of a slot, from 1 on */

int32_t memory_open(memory_slot slot) {
    size_t at = 0;
    while (at < host.count && host.slots[at].kind != MEMORY_FREE) at++;
    if (at == host.count) {
        size_t count = host.count == 0 ? 16 : host.count * 2;
        memory_slot *slots = keynet_allocate(count * sizeof *slots);
        memset(slots, 0, count * sizeof *slots);
        if (host.count > 0) memcpy(slots, host.slots, host.count * sizeof *slots);
        free(host.slots);
        host.slots = slots;
        host.count = count;
    }
    host.slots[at] = slot;
    return (int32_t)at + 1;
}

memory_slot *memory_at(int32_t handle, enum memory_kind kind) {
    if (handle < 1 || (size_t)handle > host.count || host.slots[handle - 1].kind != kind) {
        keynet_panic(__FILE__, __LINE__,
                     "the handle %d is none of this kind: it was given back before, or never made",
                     handle);
    }
    return &host.slots[handle - 1];
}

static void free_slot(memory_slot *slot) {
    free(slot->tensor.shape);
    free(slot->tensor.data);
    free(slot->location);
    free(slot->content_type);
    free(slot->etag);
    if (slot->answers != NULL) memory_answers_free(slot->answers);
    memset(slot, 0, sizeof *slot);
}

void memory_close(int32_t handle, enum memory_kind kind) {
    memory_at(handle, kind);
    memory_slot taken = host.slots[handle - 1];
    memset(&host.slots[handle - 1], 0, sizeof taken);
    free_slot(&taken);
}

/* ---- Tensors */

/* Counts the elements of data of BYTES; SIZE_MAX if it is cut off. */
static size_t elements_of_bytes(const uint8_t *data, size_t size) {
    size_t count = 0;
    for (size_t at = 0; at < size; count++) {
        if (size - at < 4) return SIZE_MAX;
        size_t length = (size_t)data[at] | (size_t)data[at + 1] << 8 | (size_t)data[at + 2] << 16 |
                        (size_t)data[at + 3] << 24;
        if (size - at - 4 < length) return SIZE_MAX;
        at += 4 + length;
    }
    return count;
}

bool memory_tensor_open(keynet_data_type data_type, const int64_t *shape, size_t rank,
                        const uint8_t *data, size_t size, int32_t *handle,
                        keynet_inference_types_error_t *failure) {
    char text[256] = "[";
    uint64_t elements = 1;
    bool is_negative = false;
    for (size_t at = 0; at < rank; at++) {
        char number[32];
        snprintf(number, sizeof number, "%s%lld", at == 0 ? "" : ", ", (long long)shape[at]);
        strncat(text, number, sizeof text - strlen(text) - 2);
        is_negative = is_negative || shape[at] < 0;
        elements *= (uint64_t)shape[at];
    }
    strcat(text, "]");
    if (is_negative) {
        return memory_fail(failure, KEYNET_ERROR_INVALID, "the shape %s has a negative dimension",
                           text);
    }
    size_t of_each = keynet_data_type_size(data_type);
    size_t filled = of_each > 0 ? size / of_each : elements_of_bytes(data, size);
    if (filled != elements || (of_each > 0 && size % of_each != 0)) {
        return memory_fail(failure, KEYNET_ERROR_INVALID,
                           "%zu bytes of %s do not fill the shape %s", size,
                           keynet_data_type_name(data_type), text);
    }
    memory_slot slot = {.kind = MEMORY_TENSOR};
    slot.tensor = (memory_tensor){
        .data_type = data_type,
        .shape = memory_copy(shape, rank * sizeof *shape),
        .rank = rank,
        .data = memory_copy(data, size),
        .size = size,
    };
    *handle = memory_open(slot);
    return true;
}

static const memory_tensor *tensor_at(keynet_inference_triton_predict_borrow_tensor_t handle) {
    return &memory_at(handle.__handle, MEMORY_TENSOR)->tensor;
}

bool keynet_inference_triton_predict_static_tensor_create(
    keynet_inference_triton_predict_data_type_t data_type, action_list_s64_t *shape,
    action_list_u8_t *data, keynet_inference_triton_predict_own_tensor_t *tensor,
    keynet_inference_triton_predict_error_t *failure) {
    return memory_tensor_open((keynet_data_type)data_type, shape->ptr, shape->len, data->ptr,
                              data->len, &tensor->__handle, failure);
}

keynet_inference_triton_predict_data_type_t keynet_inference_triton_predict_method_tensor_data_type(
    keynet_inference_triton_predict_borrow_tensor_t self) {
    return (keynet_inference_triton_predict_data_type_t)tensor_at(self)->data_type;
}

void keynet_inference_triton_predict_method_tensor_shape(
    keynet_inference_triton_predict_borrow_tensor_t self, action_list_s64_t *shape) {
    *shape = memory_to_shape(tensor_at(self)->shape, tensor_at(self)->rank);
}

uint64_t keynet_inference_triton_predict_method_tensor_byte_length(
    keynet_inference_triton_predict_borrow_tensor_t self) {
    return tensor_at(self)->size;
}

void keynet_inference_triton_predict_method_tensor_data(
    keynet_inference_triton_predict_borrow_tensor_t self, action_list_u8_t *data) {
    *data = memory_to_bytes(tensor_at(self)->data, tensor_at(self)->size);
}

void keynet_inference_triton_predict_method_tensor_read(
    keynet_inference_triton_predict_borrow_tensor_t self, uint64_t offset, uint64_t length,
    action_list_u8_t *data) {
    const memory_tensor *tensor = tensor_at(self);
    size_t from = offset < tensor->size ? (size_t)offset : tensor->size;
    size_t left = tensor->size - from;
    *data = memory_to_bytes(tensor->data + from, length < left ? (size_t)length : left);
}

void keynet_inference_triton_predict_tensor_drop_own(
    keynet_inference_triton_predict_own_tensor_t handle) {
    memory_close(handle.__handle, MEMORY_TENSOR);
}

/* ---- For tests */

void keynet_testing_reset(void) {
    keynet_input_end();
    free(host.parameters);
    /* Streams first: the tensors of their answers have slots too. */
    for (size_t at = 0; at < host.count; at++) {
        if (host.slots[at].kind == MEMORY_STREAM) memory_close((int32_t)at + 1, MEMORY_STREAM);
    }
    for (size_t at = 0; at < host.count; at++) free_slot(&host.slots[at]);
    free(host.slots);
    memset(&host, 0, sizeof host);
    memory_models_reset();
    memory_objects_reset();
}

void keynet_testing_parameters(const char *json) {
    free(host.parameters);
    host.parameters = keynet_format("%s", json);
}

char *memory_parameters(void) {
    return host.parameters != NULL ? host.parameters : "{}";
}

bool keynet_testing_call(char **result, keynet_error *error) {
    keynet_error unasked = {0};
    char *text = NULL;
    size_t size = 0;
    const char *parameters = memory_parameters();
    bool is_done = keynet_call(keynet_registered_function(), parameters, strlen(parameters), &text,
                               &size, error != NULL ? error : &unasked);
    if (is_done && result != NULL) {
        *result = text;
    } else {
        free(text);
    }
    if (!is_done && error == NULL) fprintf(stderr, "the function failed: %s\n", unasked.message);
    keynet_error_clear(&unasked);
    return is_done;
}

bool keynet_testing_begin(keynet_error *error) {
    const char *parameters = memory_parameters();
    return keynet_input_begin(keynet_registered_function(), parameters, strlen(parameters), error);
}

void keynet_testing_end(void) {
    keynet_input_end();
}

char *keynet_testing_schema(void) {
    return keynet_schema(keynet_registered_function());
}

size_t keynet_testing_open_handles(void) {
    size_t open = 0;
    for (size_t at = 0; at < host.count; at++) open += host.slots[at].kind != MEMORY_FREE;
    return open;
}
