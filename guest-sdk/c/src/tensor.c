/* Tensors. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static const struct {
    const char *name;
    uint8_t size;
} DATA_TYPES[] = {
    [KEYNET_BOOL] = {"BOOL", 1},     [KEYNET_UINT8] = {"UINT8", 1},
    [KEYNET_UINT16] = {"UINT16", 2}, [KEYNET_UINT32] = {"UINT32", 4},
    [KEYNET_UINT64] = {"UINT64", 8}, [KEYNET_INT8] = {"INT8", 1},
    [KEYNET_INT16] = {"INT16", 2},   [KEYNET_INT32] = {"INT32", 4},
    [KEYNET_INT64] = {"INT64", 8},   [KEYNET_FP16] = {"FP16", 2},
    [KEYNET_BF16] = {"BF16", 2},     [KEYNET_FP32] = {"FP32", 4},
    [KEYNET_FP64] = {"FP64", 8},     [KEYNET_BYTES] = {"BYTES", 0},
};
enum { TYPES = sizeof DATA_TYPES / sizeof *DATA_TYPES };

/* The size of the length before an element of BYTES. */
enum { LENGTH = 4 };

const char *keynet_data_type_name(keynet_data_type data_type) {
    return (size_t)data_type < TYPES ? DATA_TYPES[data_type].name : "unknown";
}

bool keynet_data_type_of_name(const char *name, keynet_data_type *data_type) {
    for (size_t at = 0; at < TYPES; at++) {
        if (strcmp(name, DATA_TYPES[at].name) == 0) {
            *data_type = (keynet_data_type)at;
            return true;
        }
    }
    return false;
}

size_t keynet_data_type_size(keynet_data_type data_type) {
    return (size_t)data_type < TYPES ? DATA_TYPES[data_type].size : 0;
}

/* ---- Shapes */

action_list_s64_t keynet_shape_to_host(const int64_t *shape, size_t rank) {
    return (action_list_s64_t){(int64_t *)shape, rank};
}

keynet_shape keynet_shape_from_host(action_list_s64_t list) {
    return list.len > 0 ? (keynet_shape){list.ptr, list.len} : (keynet_shape){0};
}

void keynet_shape_free(keynet_shape *shape) {
    free(shape->sizes);
    *shape = (keynet_shape){0};
}

/* ---- Making one */

bool keynet_tensor_create(keynet_data_type data_type, const int64_t *shape, size_t rank,
                          const void *data, size_t size, keynet_tensor *tensor,
                          keynet_error *error) {
    action_list_s64_t dimensions = keynet_shape_to_host(shape, rank);
    action_list_u8_t bytes = {(uint8_t *)data, size};
    keynet_inference_triton_predict_own_tensor_t made;
    keynet_inference_types_error_t failure;
    if (!keynet_inference_triton_predict_static_tensor_create(
            (keynet_inference_triton_predict_data_type_t)data_type, &dimensions, &bytes, &made,
            &failure)) {
        return keynet_fail_from_host(error, failure);
    }
    tensor->handle = made.__handle;
    return true;
}

bool keynet_tensor_from_slices(const int64_t *shape, size_t rank, const keynet_slice *elements,
                               size_t count, keynet_tensor *tensor, keynet_error *error) {
    size_t size = 0;
    for (size_t at = 0; at < count; at++) {
        if (elements[at].size > UINT32_MAX || size > SIZE_MAX - LENGTH - elements[at].size) {
            return keynet_fail(error, KEYNET_ERROR_TOO_LARGE,
                               "element %zu has %zu bytes: the elements of a tensor of BYTES must fit "
                               "in the memory, and each has at most 2^32 - 1",
                               at, elements[at].size);
        }
        size += LENGTH + elements[at].size;
    }
    uint8_t *data = keynet_allocate(size);
    uint8_t *end = data;
    for (size_t at = 0; at < count; at++) {
        uint32_t length = (uint32_t)elements[at].size;
        for (int byte = 0; byte < LENGTH; byte++) *end++ = (uint8_t)(length >> (8 * byte));
        if (length > 0) memcpy(end, elements[at].data, length);
        end += length;
    }
    bool is_made = keynet_tensor_create(KEYNET_BYTES, shape, rank, data, size, tensor, error);
    free(data);
    return is_made;
}

static bool is_floating(keynet_data_type data_type) {
    return data_type == KEYNET_FP16 || data_type == KEYNET_BF16 || data_type == KEYNET_FP32 ||
           data_type == KEYNET_FP64;
}

bool keynet_tensor_from_doubles(keynet_data_type data_type, const int64_t *shape, size_t rank,
                                const double *values, size_t count, keynet_tensor *tensor,
                                keynet_error *error) {
    if (!is_floating(data_type)) {
        return keynet_fail(error, KEYNET_ERROR_INVALID,
                           "a tensor of %s cannot be made of doubles: use keynet_tensor_create",
                           keynet_data_type_name(data_type));
    }
    size_t size = keynet_data_type_size(data_type);
    uint8_t *data = keynet_allocate(count * size);
    for (size_t at = 0; at < count; at++) {
        float single = (float)values[at];
        uint16_t half = data_type == KEYNET_FP16 ? keynet_fp16_from(values[at])
                                                 : keynet_bf16_from(values[at]);
        const void *element = data_type == KEYNET_FP64   ? (const void *)&values[at]
                              : data_type == KEYNET_FP32 ? (const void *)&single
                                                         : (const void *)&half;
        memcpy(data + at * size, element, size);
    }
    bool is_made =
        keynet_tensor_create(data_type, shape, rank, data, count * size, tensor, error);
    free(data);
    return is_made;
}

void keynet_tensor_drop(keynet_tensor *tensor) {
    /* Handles begin at 1. */
    if (tensor->handle != 0) {
        keynet_inference_triton_predict_tensor_drop_own(
            (keynet_inference_triton_predict_own_tensor_t){tensor->handle});
    }
    tensor->handle = 0;
}

/* ---- Reading one */

static keynet_inference_triton_predict_borrow_tensor_t borrow(keynet_tensor tensor) {
    return (keynet_inference_triton_predict_borrow_tensor_t){tensor.handle};
}

keynet_data_type keynet_tensor_data_type(keynet_tensor tensor) {
    return (keynet_data_type)keynet_inference_triton_predict_method_tensor_data_type(borrow(tensor));
}

uint64_t keynet_tensor_size(keynet_tensor tensor) {
    return keynet_inference_triton_predict_method_tensor_byte_length(borrow(tensor));
}

void keynet_tensor_shape(keynet_tensor tensor, keynet_shape *shape) {
    action_list_s64_t list;
    keynet_inference_triton_predict_method_tensor_shape(borrow(tensor), &list);
    *shape = keynet_shape_from_host(list);
}

bool keynet_tensor_data(keynet_tensor tensor, keynet_data_type data_type, keynet_bytes *data,
                        keynet_error *error) {
    keynet_data_type found = keynet_tensor_data_type(tensor);
    if (found != data_type) {
        return keynet_fail(error, KEYNET_ERROR_INVALID,
                           "the tensor's elements are %s and cannot be read as %s",
                           keynet_data_type_name(found), keynet_data_type_name(data_type));
    }
    action_list_u8_t list;
    keynet_inference_triton_predict_method_tensor_data(borrow(tensor), &list);
    *data = keynet_bytes_from_host(list);
    return true;
}

void keynet_tensor_read(keynet_tensor tensor, uint64_t offset, uint64_t length,
                        keynet_bytes *data) {
    action_list_u8_t list;
    keynet_inference_triton_predict_method_tensor_read(borrow(tensor), offset, length, &list);
    *data = keynet_bytes_from_host(list);
}

bool keynet_tensor_to_doubles(keynet_tensor tensor, double **values, size_t *count,
                              keynet_error *error) {
    keynet_data_type data_type = keynet_tensor_data_type(tensor);
    if (!is_floating(data_type)) {
        return keynet_fail(error, KEYNET_ERROR_INVALID,
                           "the tensor's elements are %s and cannot be read as doubles: use "
                           "keynet_tensor_data",
                           keynet_data_type_name(data_type));
    }
    keynet_bytes data = {0};
    if (!keynet_tensor_data(tensor, data_type, &data, error)) return false;
    size_t size = keynet_data_type_size(data_type);
    *count = data.size / size;
    *values = keynet_allocate(*count * sizeof **values);
    for (size_t at = 0; at < *count; at++) {
        const uint8_t *element = data.data + at * size;
        double wide = 0;
        float single = 0;
        uint16_t half = 0;
        switch (data_type) {
        case KEYNET_FP64: memcpy(&wide, element, size); break;
        case KEYNET_FP32: memcpy(&single, element, size); wide = single; break;
        case KEYNET_FP16: memcpy(&half, element, size); wide = keynet_fp16_to(half); break;
        default: memcpy(&half, element, size); wide = keynet_bf16_to(half); break;
        }
        (*values)[at] = wide;
    }
    keynet_bytes_free(&data);
    return true;
}

/* Returns the length of the element that begins at `at`, or UINT32_MAX where none does. */
static uint32_t element_length(const keynet_bytes *data, size_t at) {
    if (data->size - at < LENGTH) return UINT32_MAX;
    uint32_t length = 0;
    for (int byte = 0; byte < LENGTH; byte++) {
        length |= (uint32_t)data->data[at + (size_t)byte] << (8 * byte);
    }
    return length <= data->size - at - LENGTH ? length : UINT32_MAX;
}

bool keynet_tensor_elements(keynet_tensor tensor, keynet_elements *elements, keynet_error *error) {
    keynet_elements found = {0};
    if (!keynet_tensor_data(tensor, KEYNET_BYTES, &found.data, error)) return false;
    size_t count = 0;
    for (size_t at = 0; at < found.data.size; count++) {
        uint32_t length = element_length(&found.data, at);
        if (length == UINT32_MAX) {
            keynet_bytes_free(&found.data);
            return keynet_fail(error, KEYNET_ERROR_INTERNAL,
                               "element %zu of the tensor of BYTES is longer than its data", count);
        }
        at += LENGTH + length;
    }
    found.elements = count > 0 ? keynet_allocate(count * sizeof *found.elements) : NULL;
    for (size_t at = 0; at < found.data.size;) {
        uint32_t length = element_length(&found.data, at);
        const char *start = (const char *)found.data.data + at + LENGTH;
        found.elements[found.count++] = (keynet_slice){start, length};
        at += LENGTH + length;
    }
    *elements = found;
    return true;
}

void keynet_elements_free(keynet_elements *elements) {
    free(elements->elements);
    keynet_bytes_free(&elements->data);
    *elements = (keynet_elements){0};
}
