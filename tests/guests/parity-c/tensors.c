/* Tensors of each element type, to a model and back. */
#include <stdlib.h>
#include <string.h>

#include "parity.h"

/* For each type of whole numbers, and BOOL: its name, its C type and how it is taken from JSON. */
#define WHOLE_NUMBERS(EACH)                                                                         \
    EACH(KEYNET_BOOL, uint8_t, yyjson_get_bool, yyjson_mut_bool)                                    \
    EACH(KEYNET_UINT8, uint8_t, yyjson_get_uint, yyjson_mut_uint)                                   \
    EACH(KEYNET_UINT16, uint16_t, yyjson_get_uint, yyjson_mut_uint)                                 \
    EACH(KEYNET_UINT32, uint32_t, yyjson_get_uint, yyjson_mut_uint)                                 \
    EACH(KEYNET_UINT64, uint64_t, yyjson_get_uint, yyjson_mut_uint)                                 \
    EACH(KEYNET_INT8, int8_t, yyjson_get_sint, yyjson_mut_sint)                                     \
    EACH(KEYNET_INT16, int16_t, yyjson_get_sint, yyjson_mut_sint)                                   \
    EACH(KEYNET_INT32, int32_t, yyjson_get_sint, yyjson_mut_sint)                                   \
    EACH(KEYNET_INT64, int64_t, yyjson_get_sint, yyjson_mut_sint)

static bool make_bytes(yyjson_val *values, const keynet_shape *shape, keynet_tensor *tensor,
                       keynet_error *error) {
    size_t count = yyjson_arr_size(values);
    keynet_slice *elements = keynet_allocate(count * sizeof *elements);
    for (size_t at = 0; at < count; at++) {
        yyjson_val *value = yyjson_arr_get(values, at);
        elements[at] = (keynet_slice){yyjson_get_str(value), yyjson_get_len(value)};
    }
    bool is_made =
        keynet_tensor_from_slices(shape->sizes, shape->rank, elements, count, tensor, error);
    free(elements);
    return is_made;
}

static bool make(keynet_data_type data_type, yyjson_val *values, const keynet_shape *shape,
                 keynet_tensor *tensor, keynet_error *error) {
    if (data_type == KEYNET_BYTES) return make_bytes(values, shape, tensor, error);
    size_t count = yyjson_arr_size(values), size = keynet_data_type_size(data_type);
    void *data = keynet_allocate(count * (size > sizeof(double) ? size : sizeof(double)));
    bool is_made = false;
    switch (data_type) {
#define EACH(type, c_type, get, put)                                                                \
    case type:                                                                                      \
        for (size_t at = 0; at < count; at++) {                                                     \
            ((c_type *)data)[at] = (c_type)get(yyjson_arr_get(values, at));                         \
        }                                                                                           \
        is_made = keynet_tensor_create(type, shape->sizes, shape->rank, data, count * size, tensor, \
                                       error);                                                      \
        break;
        WHOLE_NUMBERS(EACH)
#undef EACH
    default:
        for (size_t at = 0; at < count; at++) {
            ((double *)data)[at] = yyjson_get_num(yyjson_arr_get(values, at));
        }
        is_made = keynet_tensor_from_doubles(data_type, shape->sizes, shape->rank, data, count,
                                             tensor, error);
    }
    free(data);
    return is_made;
}

static bool tell_bytes(yyjson_mut_doc *result, yyjson_mut_val *values, keynet_tensor tensor,
                       keynet_error *error) {
    keynet_elements elements = {0};
    if (!keynet_tensor_elements(tensor, &elements, error)) return false;
    for (size_t at = 0; at < elements.count; at++) {
        yyjson_mut_arr_add_strncpy(result, values, elements.elements[at].data,
                                   elements.elements[at].size);
    }
    keynet_elements_free(&elements);
    return true;
}

static bool tell_doubles(yyjson_mut_doc *result, yyjson_mut_val *values, keynet_tensor tensor,
                         keynet_error *error) {
    double *numbers = NULL;
    size_t count = 0;
    if (!keynet_tensor_to_doubles(tensor, &numbers, &count, error)) return false;
    for (size_t at = 0; at < count; at++) yyjson_mut_arr_add_real(result, values, numbers[at]);
    free(numbers);
    return true;
}

static bool tell(yyjson_mut_doc *result, yyjson_mut_val *values, keynet_tensor tensor,
                 keynet_error *error) {
    keynet_data_type data_type = keynet_tensor_data_type(tensor);
    keynet_bytes data = {0};
    switch (data_type) {
#define EACH(type, c_type, get, put)                                                                \
    case type:                                                                                      \
        if (!keynet_tensor_data(tensor, type, &data, error)) return false;                          \
        for (size_t at = 0; at < data.size / sizeof(c_type); at++) {                                \
            yyjson_mut_arr_append(values, put(result, ((c_type *)data.data)[at]));                  \
        }                                                                                           \
        break;
        WHOLE_NUMBERS(EACH)
#undef EACH
    case KEYNET_BYTES: return tell_bytes(result, values, tensor, error);
    default: return tell_doubles(result, values, tensor, error);
    }
    keynet_bytes_free(&data);
    return true;
}

static bool predict(const char *model, const char *input, const char *output,
                    keynet_tensor *tensor, keynet_error *error) {
    keynet_named_tensor named = {input, *tensor};
    keynet_request request = {.model = model, .inputs = &named, .input_count = 1};
    keynet_outputs outputs = {0};
    if (!keynet_predict(&request, &outputs, error)) return false;
    keynet_tensor_drop(tensor);
    bool is_done = keynet_outputs_take(&outputs, output, tensor, error);
    keynet_outputs_free(&outputs);
    return is_done;
}

static bool shape_parameter(keynet_shape *shape, keynet_error *error) {
    yyjson_val *sizes = NULL;
    if (!keynet_input_array("shape", &sizes, error)) return false;
    shape->rank = yyjson_arr_size(sizes);
    shape->sizes = keynet_allocate(shape->rank * sizeof *shape->sizes);
    for (size_t at = 0; at < shape->rank; at++) {
        shape->sizes[at] = yyjson_get_sint(yyjson_arr_get(sizes, at));
    }
    return true;
}

static void add_shape(yyjson_mut_doc *result, yyjson_mut_val *root, keynet_tensor tensor) {
    keynet_shape shape = {0};
    keynet_tensor_shape(tensor, &shape);
    yyjson_mut_val *sizes = yyjson_mut_arr_with_sint64(result, shape.sizes, shape.rank);
    yyjson_mut_obj_add_val(result, root, "shape",
                           sizes != NULL ? sizes : yyjson_mut_arr(result));
    keynet_shape_free(&shape);
}

/* Makes a tensor of `type` and `shape` with `values`, sends it through `model`, if there is one, and
 * answers with what comes out. */
bool through(yyjson_mut_doc *result, keynet_error *error) {
    const char *type = NULL, *model = NULL, *input = NULL, *output = NULL;
    yyjson_val *values = NULL;
    keynet_data_type data_type = KEYNET_BOOL;
    if (!keynet_input_string("type", &type, error) ||
        !keynet_input_array("values", &values, error) ||
        !keynet_input_string_or("model", NULL, &model, error) ||
        !keynet_input_string_or("input", "in", &input, error) ||
        !keynet_input_string_or("output", "out", &output, error)) {
        return false;
    }
    if (!keynet_data_type_of_name(type, &data_type)) {
        return keynet_fail(error, KEYNET_ERROR_INVALID, "there is no type `%s`", type);
    }
    keynet_shape shape = {0};
    keynet_tensor tensor = {0};
    bool is_made = shape_parameter(&shape, error) &&
                   make(data_type, values, &shape, &tensor, error) &&
                   (model == NULL || predict(model, input, output, &tensor, error));
    keynet_shape_free(&shape);
    if (is_made) {
        yyjson_mut_val *root = keynet_result_object(result);
        yyjson_mut_obj_add_str(result, root, "type",
                               keynet_data_type_name(keynet_tensor_data_type(tensor)));
        add_shape(result, root, tensor);
        yyjson_mut_obj_add_uint(result, root, "bytes", keynet_tensor_size(tensor));
        is_made = tell(result, yyjson_mut_obj_add_arr(result, root, "values"), tensor, error);
    }
    keynet_tensor_drop(&tensor);
    return is_made;
}

/* Sends a tensor of 12 MiB to a model and back. */
bool big(yyjson_mut_doc *result, keynet_error *error) {
    enum { ROWS = 1536, COLUMNS = 2048, COUNT = ROWS * COLUMNS };
    float *data = keynet_allocate(COUNT * sizeof *data);
    for (int at = 0; at < COUNT; at++) data[at] = (float)(at % 1000);
    keynet_tensor tensor = {0};
    keynet_bytes last = {0}, all = {0};
    bool is_done = keynet_tensor_create(KEYNET_FP32, KEYNET_SHAPE(ROWS, COLUMNS), data,
                                        COUNT * sizeof *data, &tensor, error);
    free(data);
    is_done = is_done && predict("identity_fp32", "in", "out", &tensor, error) &&
              keynet_tensor_data(tensor, KEYNET_FP32, &all, error);
    if (is_done) {
        const float *numbers = (const float *)all.data;
        double sum = 0;
        for (int at = 0; at < COUNT; at++) sum += numbers[at];
        keynet_tensor_read(tensor, (COUNT - 2) * sizeof(float), 2 * sizeof(float), &last);
        yyjson_mut_val *root = keynet_result_object(result);
        add_shape(result, root, tensor);
        yyjson_mut_obj_add_uint(result, root, "bytes", keynet_tensor_size(tensor));
        yyjson_mut_obj_add_val(result, root, "last",
                               yyjson_mut_arr_with_float(result, (const float *)last.data, 2));
        yyjson_mut_obj_add_real(result, root, "sum", sum);
    }
    keynet_bytes_free(&last);
    keynet_bytes_free(&all);
    keynet_tensor_drop(&tensor);
    return is_done;
}
