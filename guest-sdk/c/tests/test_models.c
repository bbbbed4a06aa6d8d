#include "tests.h"

/* Doubles its input `in` into `out`, and tells its length in `count`. */
static bool doubling(const keynet_outputs *inputs, keynet_testing_answers *answers, void *context,
                     keynet_error *error) {
    keynet_tensor in = {0}, out = {0}, count = {0};
    double *values = NULL;
    size_t found = 0;
    if (context != NULL) ++*(int *)context;
    if (!keynet_outputs_get(inputs, "in", &in, error) ||
        !keynet_tensor_to_doubles(in, &values, &found, error)) {
        return false;
    }
    for (size_t at = 0; at < found; at++) values[at] *= 2;
    const int64_t shape[] = {(int64_t)found};
    int64_t length = (int64_t)found;
    bool is_made = keynet_tensor_from_doubles(KEYNET_FP32, shape, 1, values, found, &out, error) &&
                   keynet_tensor_create(KEYNET_INT64, NULL, 0, &length, sizeof length, &count, error);
    free(values);
    keynet_testing_output(answers, "out", out);
    keynet_testing_output(answers, "count", count);
    return is_made;
}

static bool counting(const keynet_outputs *inputs, keynet_testing_answers *answers, void *context,
                     keynet_error *error) {
    (void)inputs, (void)context;
    for (int64_t number = 1; number <= 3; number++) {
        keynet_tensor tensor = {0};
        if (!keynet_tensor_create(KEYNET_INT64, NULL, 0, &number, sizeof number, &tensor, error)) {
            return false;
        }
        keynet_testing_next_answer(answers);
        keynet_testing_output(answers, "number", tensor);
    }
    return true;
}

static keynet_tensor floats(float first, float second) {
    keynet_tensor tensor = {0};
    const float values[] = {first, second};
    CHECK(keynet_tensor_create(KEYNET_FP32, KEYNET_SHAPE(2), values, sizeof values, &tensor, NULL));
    return tensor;
}

static void check_floats(keynet_tensor tensor, float first, float second) {
    keynet_bytes data = {0};
    CHECK(keynet_tensor_data(tensor, KEYNET_FP32, &data, NULL) && data.size == 8);
    CHECK(((const float *)data.data)[0] == first && ((const float *)data.data)[1] == second);
    keynet_bytes_free(&data);
}

static void an_answer_has_its_outputs_by_name(void) {
    keynet_error error = {0};
    keynet_outputs outputs = {0};
    keynet_named_tensor in = {"in", floats(1, 2)};
    keynet_request request = {.model = "doubling:1", .inputs = &in, .input_count = 1};
    CHECK(keynet_predict(&request, &outputs, &error) && outputs.count == 2);
    keynet_tensor out = {0}, taken = {0};
    CHECK(keynet_outputs_get(&outputs, "out", &out, &error));
    check_floats(out, 2, 4);
    CHECK(keynet_outputs_take(&outputs, "out", &taken, &error) && taken.handle == out.handle);
    CHECK(!keynet_outputs_take(&outputs, "out", &out, &error));
    CHECK_TEXT(error.message, "there is no output `out`: there is `count`");
    keynet_outputs_free(&outputs);
    keynet_outputs_free(&outputs);
    check_floats(taken, 2, 4);
    keynet_tensor_drop(&taken);

    /* Only what is asked for, of the model that is asked where none is named. */
    const char *wanted[] = {"count"};
    request = (keynet_request){
        .inputs = &in, .input_count = 1, .outputs = wanted, .output_count = 1};
    CHECK(keynet_predict(&request, &outputs, &error) && outputs.count == 1);
    CHECK_TEXT(outputs.outputs[0].name, "count");
    keynet_outputs_free(&outputs);
    wanted[0] = "absent";
    CHECK(!keynet_predict(&request, &outputs, &error));
    CHECK(error.kind == KEYNET_ERROR_INVALID);
    request.model = "nobody";
    CHECK(!keynet_predict(&request, &outputs, &error) && error.kind == KEYNET_ERROR_NOT_FOUND);
    keynet_error_clear(&error);
    keynet_tensor_drop(&in.tensor);
}

static void many_requests_have_each_their_outcome(void) {
    keynet_named_tensor one = {"in", floats(1, 2)}, two = {"in", floats(3, 4)};
    keynet_request requests[] = {
        {.model = "doubling", .inputs = &one, .input_count = 1},
        {.model = "nobody"},
        {.model = "\xff"},
        {.model = "doubling", .inputs = &two, .input_count = 1},
    };
    keynet_prediction predictions[4];
    keynet_predict_many(requests, 4, predictions);
    CHECK(predictions[0].error.kind == KEYNET_ERROR_NONE);
    check_floats(predictions[0].outputs.outputs[0].tensor, 2, 4);
    CHECK(predictions[1].error.kind == KEYNET_ERROR_NOT_FOUND);
    CHECK(predictions[2].error.kind == KEYNET_ERROR_INVALID);
    check_floats(predictions[3].outputs.outputs[0].tensor, 6, 8);
    for (int at = 0; at < 4; at++) keynet_prediction_free(&predictions[at]);
    keynet_tensor_drop(&one.tensor);
    keynet_tensor_drop(&two.tensor);

    enum { TOO_MANY = 257 };
    static keynet_request many[TOO_MANY];
    static keynet_prediction refused[TOO_MANY];
    keynet_predict_many(many, TOO_MANY, refused);
    for (int at = 0; at < TOO_MANY; at++) {
        CHECK(refused[at].error.kind == KEYNET_ERROR_TOO_LARGE);
        keynet_prediction_free(&refused[at]);
    }
    keynet_predict_many(NULL, 0, NULL);
}

static void a_stream_ends_after_its_answers(void) {
    keynet_error error = {0};
    keynet_stream stream = {0};
    keynet_request request = {.model = "counting"};
    CHECK(keynet_predict_stream(&request, &stream, &error));
    bool ended = false;
    int answers = 0;
    for (;;) {
        keynet_outputs outputs = {0};
        CHECK(keynet_stream_next(&stream, &outputs, &ended, &error));
        if (ended) break;
        answers++;
        keynet_outputs_free(&outputs);
    }
    CHECK(answers == 3 && stream.handle == 0);
    CHECK(keynet_stream_next(&stream, NULL, &ended, &error) && ended);
    /* One that is dropped gives back the answers that are left. */
    CHECK(keynet_predict_stream(&request, &stream, &error));
    keynet_stream_drop(&stream);
    keynet_stream_drop(&stream);
    keynet_outputs outputs = {0};
    CHECK(!keynet_predict(&request, &outputs, &error));
    CHECK(strstr(error.message, "answered 3 times") != NULL);
    keynet_error_clear(&error);
}

static void a_model_is_described_and_its_declared_types_hold(void) {
    keynet_error error = {0};
    keynet_model model = {0};
    keynet_testing_declare_input("doubling", "in", KEYNET_FP64, KEYNET_SHAPE(-1));
    keynet_testing_declare_output("doubling", "out", KEYNET_FP32, KEYNET_SHAPE(-1, 3));
    CHECK(keynet_model_metadata("doubling", &model, &error));
    CHECK_TEXT(model.name, "doubling");
    CHECK(model.version_count == 1 && model.input_count == 1 && model.output_count == 1);
    CHECK(model.inputs[0].data_type == KEYNET_FP64 && model.inputs[0].shape.sizes[0] == -1);
    CHECK(model.outputs[0].shape.rank == 2);
    keynet_model_free(&model);
    keynet_model_free(&model);
    keynet_named_tensor in = {"in", floats(1, 2)};
    keynet_request request = {.model = "doubling", .inputs = &in, .input_count = 1};
    keynet_outputs outputs = {0};
    CHECK(!keynet_predict(&request, &outputs, &error));
    CHECK_TEXT(error.message, "model doubling, input in: expected FP64, got FP32");
    keynet_tensor_drop(&in.tensor);
    CHECK(!keynet_model_metadata("nobody", &model, &error));
    keynet_error_clear(&error);
}

void test_models(void) {
    int asked = 0;
    keynet_testing_reset();
    keynet_testing_add_model("doubling", doubling, &asked);
    keynet_testing_add_model("counting", counting, NULL);
    an_answer_has_its_outputs_by_name();
    many_requests_have_each_their_outcome();
    CHECK(asked == 5);
    a_stream_ends_after_its_answers();
    a_model_is_described_and_its_declared_types_hold();
    CHECK(keynet_testing_open_handles() == 0);
}
