#include "tests.h"

static void data_comes_back_as_it_was(void) {
    keynet_error error = {0};
    keynet_tensor tensor = {0};
    keynet_bytes data = {0};
    keynet_shape shape = {0};
    const int64_t values[] = {INT64_MIN, 0, INT64_MAX};
    CHECK(keynet_tensor_create(KEYNET_INT64, KEYNET_SHAPE(1, 3), values, sizeof values, &tensor,
                               &error));
    CHECK(keynet_tensor_data_type(tensor) == KEYNET_INT64 && keynet_tensor_size(tensor) == 24);
    keynet_tensor_shape(tensor, &shape);
    CHECK(shape.rank == 2 && shape.sizes[0] == 1 && shape.sizes[1] == 3);
    CHECK(keynet_tensor_data(tensor, KEYNET_INT64, &data, &error));
    CHECK(data.size == sizeof values && memcmp(data.data, values, sizeof values) == 0);
    keynet_bytes_free(&data);
    keynet_tensor_read(tensor, 16, 100, &data);
    CHECK(data.size == 8 && memcmp(data.data, &values[2], 8) == 0);
    keynet_bytes_free(&data);
    keynet_tensor_read(tensor, 24, 1, &data);
    CHECK(data.size == 0 && data.data == NULL);
    keynet_bytes_free(&data);
    CHECK(!keynet_tensor_data(tensor, KEYNET_FP32, &data, &error));
    CHECK_TEXT(error.message, "the tensor's elements are INT64 and cannot be read as FP32");
    keynet_error_clear(&error);
    keynet_shape_free(&shape);
    keynet_tensor_drop(&tensor);
    keynet_tensor_drop(&tensor);
    CHECK(keynet_testing_open_handles() == 0);
}

static void what_is_empty_is_given_back_too(void) {
    keynet_error error = {0};
    keynet_tensor tensor = {0};
    keynet_bytes data = {0};
    keynet_shape shape = {0};
    CHECK(keynet_tensor_create(KEYNET_FP32, NULL, 0, "\0\0\0", 4, &tensor, &error));
    keynet_tensor_shape(tensor, &shape);
    CHECK(shape.rank == 0);
    keynet_shape_free(&shape);
    keynet_tensor_drop(&tensor);
    CHECK(keynet_tensor_create(KEYNET_FP32, KEYNET_SHAPE(0, 7), NULL, 0, &tensor, &error));
    CHECK(keynet_tensor_data(tensor, KEYNET_FP32, &data, &error) && data.size == 0);
    keynet_bytes_free(&data);
    keynet_tensor_drop(&tensor);
    keynet_elements elements = {0};
    CHECK(keynet_tensor_from_slices(KEYNET_SHAPE(0), NULL, 0, &tensor, &error));
    CHECK(keynet_tensor_elements(tensor, &elements, &error) && elements.count == 0);
    keynet_elements_free(&elements);
    keynet_tensor_drop(&tensor);
}

static void bytes_hold_texts_of_any_length(void) {
    keynet_error error = {0};
    keynet_tensor tensor = {0};
    keynet_elements elements = {0};
    char large[1000];
    memset(large, 'x', sizeof large);
    const keynet_slice texts[] = {{"", 0}, {"안녕", 6}, {"a\0b", 3}, {large, sizeof large}};
    CHECK(keynet_tensor_from_slices(KEYNET_SHAPE(2, 2), texts, 4, &tensor, &error));
    CHECK(keynet_tensor_elements(tensor, &elements, &error) && elements.count == 4);
    for (size_t at = 0; at < 4; at++) {
        CHECK(elements.elements[at].size == texts[at].size);
        CHECK(memcmp(elements.elements[at].data, texts[at].data, texts[at].size) == 0);
    }
    keynet_elements_free(&elements);
    keynet_tensor_drop(&tensor);
    CHECK(!keynet_tensor_from_slices(KEYNET_SHAPE(3), texts, 4, &tensor, &error));
    CHECK(error.kind == KEYNET_ERROR_INVALID && strstr(error.message, "[3]") != NULL);
    keynet_error_clear(&error);
}

static void doubles_are_rounded_to_each_type(void) {
    static const keynet_data_type TYPES[] = {KEYNET_FP16, KEYNET_BF16, KEYNET_FP32, KEYNET_FP64};
    static const double EXPECTED[] = {0.0999755859375, 0.10009765625, 0.10000000149011612, 0.1};
    keynet_error error = {0};
    for (size_t at = 0; at < 4; at++) {
        const double value = 0.1;
        keynet_tensor tensor = {0};
        double *values = NULL;
        size_t count = 0;
        CHECK(keynet_tensor_from_doubles(TYPES[at], KEYNET_SHAPE(1), &value, 1, &tensor, &error));
        CHECK(keynet_tensor_to_doubles(tensor, &values, &count, &error));
        CHECK(count == 1 && values[0] == EXPECTED[at]);
        free(values);
        keynet_tensor_drop(&tensor);
    }
    keynet_tensor tensor = {0};
    CHECK(!keynet_tensor_from_doubles(KEYNET_INT8, KEYNET_SHAPE(0), NULL, 0, &tensor, &error));
    CHECK_TEXT(error.message,
               "a tensor of INT8 cannot be made of doubles: use keynet_tensor_create");
    keynet_error_clear(&error);
}

static void types_have_tritons_names(void) {
    for (int type = KEYNET_BOOL; type <= KEYNET_BYTES; type++) {
        keynet_data_type found = KEYNET_BOOL;
        CHECK(keynet_data_type_of_name(keynet_data_type_name((keynet_data_type)type), &found));
        CHECK((int)found == type);
    }
    keynet_data_type none = KEYNET_BOOL;
    CHECK(!keynet_data_type_of_name("FP8", &none));
}

void test_tensors(void) {
    keynet_testing_reset();
    data_comes_back_as_it_was();
    what_is_empty_is_given_back_too();
    bytes_hold_texts_of_any_length();
    doubles_are_rounded_to_each_type();
    types_have_tritons_names();
    CHECK(keynet_testing_open_handles() == 0);
}
