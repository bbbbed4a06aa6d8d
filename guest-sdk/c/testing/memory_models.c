/* The host in memory: models. */
#include <stdlib.h>
#include <string.h>

#include "memory_host.h"

/* As many as the host takes at once. */
enum { MOST_REQUESTS = 256 };

typedef struct declared {
    char *name;
    keynet_data_type data_type;
    int64_t *shape;
    size_t rank;
} declared;

typedef struct declarations {
    declared *all;
    size_t count;
} declarations;

typedef struct model {
    char *name;
    keynet_testing_model answer;
    void *context;
    declarations inputs;
    declarations outputs;
} model;

static struct {
    model *all;
    size_t count;
} models;

/* An answer is outputs whose names and tensors are its own. */
struct keynet_testing_answers {
    keynet_outputs *all;
    size_t count;
    /* The next that a stream tells. */
    size_t next;
};

/* ---- For tests */

/* Returns `memory`, which has `count` elements of `size`, with room for one more. */
static void *grown(void *memory, size_t count, size_t size) {
    void *more = keynet_allocate((count + 1) * size);
    if (count > 0) memcpy(more, memory, count * size);
    memset((char *)more + count * size, 0, size);
    free(memory);
    return more;
}

void keynet_testing_add_model(const char *name, keynet_testing_model answer, void *context) {
    models.all = grown(models.all, models.count, sizeof *models.all);
    model *added = &models.all[models.count++];
    added->name = keynet_format("%s", name);
    added->answer = answer;
    added->context = context;
}

static model *find(const char *name) {
    for (size_t at = 0; at < models.count; at++) {
        if (strcmp(models.all[at].name, name) == 0) return &models.all[at];
    }
    return NULL;
}

static void declare(const char *name, bool is_input, declared info) {
    model *found = find(name);
    if (found == NULL) keynet_panic(__FILE__, __LINE__, "there is no model `%s` to declare", name);
    declarations *list = is_input ? &found->inputs : &found->outputs;
    list->all = grown(list->all, list->count, sizeof *list->all);
    list->all[list->count++] = info;
}

void keynet_testing_declare_input(const char *asked, const char *name, keynet_data_type data_type,
                                  const int64_t *shape, size_t rank) {
    declare(asked, true, (declared){keynet_format("%s", name), data_type,
                                    memory_copy(shape, rank * sizeof *shape), rank});
}

void keynet_testing_declare_output(const char *asked, const char *name, keynet_data_type data_type,
                                   const int64_t *shape, size_t rank) {
    declare(asked, false, (declared){keynet_format("%s", name), data_type,
                                     memory_copy(shape, rank * sizeof *shape), rank});
}

static void free_declarations(declarations *list) {
    for (size_t at = 0; at < list->count; at++) {
        free(list->all[at].name);
        free(list->all[at].shape);
    }
    free(list->all);
}

void memory_models_reset(void) {
    for (size_t at = 0; at < models.count; at++) {
        free(models.all[at].name);
        free_declarations(&models.all[at].inputs);
        free_declarations(&models.all[at].outputs);
    }
    free(models.all);
    memset(&models, 0, sizeof models);
}

void keynet_testing_next_answer(keynet_testing_answers *answers) {
    answers->all = grown(answers->all, answers->count, sizeof *answers->all);
    answers->count++;
}

void keynet_testing_no_answer(keynet_testing_answers *answers) {
    for (size_t at = answers->next; at < answers->count; at++) {
        keynet_outputs_free(&answers->all[at]);
    }
    answers->count = answers->next;
}

void keynet_testing_output(keynet_testing_answers *answers, const char *name,
                           keynet_tensor tensor) {
    if (answers->count == 0) keynet_testing_next_answer(answers);
    keynet_outputs *last = &answers->all[answers->count - 1];
    last->outputs = grown(last->outputs, last->count, sizeof *last->outputs);
    last->outputs[last->count++] = (keynet_output){keynet_format("%s", name), tensor};
}

void memory_answers_free(keynet_testing_answers *answers) {
    for (size_t at = 0; at < answers->count; at++) keynet_outputs_free(&answers->all[at]);
    free(answers->all);
    free(answers);
}

/* ---- Asking one */

/* Finds the model of a name, of which the version or alias is not looked at. */
static model *model_of(const char *name, keynet_inference_types_error_t *failure) {
    if (name[0] == '\0' && models.count > 0) return &models.all[0];
    const char *start = strncmp(name, "models:/", 8) == 0 ? name + 8 : name;
    char *bare = keynet_format("%.*s", (int)strcspn(start, "@/:"), start);
    model *found = find(bare);
    free(bare);
    if (found == NULL) {
        memory_fail(failure, KEYNET_ERROR_NOT_FOUND,
                    "there is no model `%s` in this test: keynet_testing_add_model adds one", name);
    }
    return found;
}

static bool suits(const model *asked, const keynet_outputs *inputs,
                  keynet_inference_types_error_t *failure) {
    for (size_t at = 0; at < inputs->count; at++) {
        for (size_t each = 0; each < asked->inputs.count; each++) {
            const declared *expected = &asked->inputs.all[each];
            keynet_data_type found = keynet_tensor_data_type(inputs->outputs[at].tensor);
            if (strcmp(expected->name, inputs->outputs[at].name) == 0 &&
                expected->data_type != found) {
                return memory_fail(failure, KEYNET_ERROR_INVALID,
                                   "model %s, input %s: expected %s, got %s", asked->name,
                                   expected->name, keynet_data_type_name(expected->data_type),
                                   keynet_data_type_name(found));
            }
        }
    }
    return true;
}

/* Takes the outputs that a request wants out of an answer, in its order. */
static bool choose(keynet_outputs *answer, const action_list_string_t *wanted,
                   keynet_inference_types_error_t *failure) {
    if (wanted->len == 0) return true;
    keynet_outputs chosen = {0};
    for (size_t at = 0; at < wanted->len; at++) {
        char *name = memory_text(wanted->ptr[at]);
        keynet_tensor tensor = {0};
        keynet_error error = {0};
        if (!keynet_outputs_take(answer, name, &tensor, &error)) {
            free(name);
            keynet_outputs_free(&chosen);
            return memory_fail_with(failure, &error);
        }
        chosen.outputs = grown(chosen.outputs, chosen.count, sizeof *chosen.outputs);
        chosen.outputs[chosen.count++] = (keynet_output){name, tensor};
    }
    keynet_outputs_free(answer);
    *answer = chosen;
    return true;
}

static keynet_testing_answers *ask(const keynet_inference_triton_predict_request_t *request,
                                   keynet_inference_types_error_t *failure) {
    char *name = memory_text(request->model);
    model *asked = model_of(name, failure);
    free(name);
    if (asked == NULL) return NULL;
    keynet_outputs inputs = {0};
    inputs.count = request->inputs.len;
    inputs.outputs = keynet_allocate(inputs.count * sizeof *inputs.outputs);
    for (size_t at = 0; at < inputs.count; at++) {
        memory_at(request->inputs.ptr[at].tensor.__handle, MEMORY_TENSOR);
        inputs.outputs[at] =
            (keynet_output){memory_text(request->inputs.ptr[at].name),
                            {request->inputs.ptr[at].tensor.__handle}};
    }
    keynet_testing_answers *answers = keynet_allocate(sizeof *answers);
    *answers = (keynet_testing_answers){0};
    keynet_error error = {0};
    bool is_answered = suits(asked, &inputs, failure);
    if (is_answered && !asked->answer(&inputs, answers, asked->context, &error)) {
        is_answered = memory_fail_with(failure, &error);
    }
    for (size_t at = 0; is_answered && at < answers->count; at++) {
        is_answered = choose(&answers->all[at], &request->outputs, failure);
    }
    /* The inputs' tensors are lent. */
    for (size_t at = 0; at < inputs.count; at++) free(inputs.outputs[at].name);
    free(inputs.outputs);
    if (is_answered) return answers;
    memory_answers_free(answers);
    return NULL;
}

/* Hands over an answer with its tensors. */
static keynet_inference_triton_predict_list_output_t hand_over(keynet_outputs *answer) {
    keynet_inference_triton_predict_list_output_t list = {0};
    list.len = answer->count;
    list.ptr = answer->count > 0 ? keynet_allocate(answer->count * sizeof *list.ptr) : (void *)8;
    for (size_t at = 0; at < answer->count; at++) {
        list.ptr[at].name = memory_to_action(answer->outputs[at].name);
        list.ptr[at].tensor.__handle = answer->outputs[at].tensor.handle;
        answer->outputs[at].tensor.handle = 0;
    }
    keynet_outputs_free(answer);
    return list;
}

bool keynet_inference_triton_predict_predict(
    keynet_inference_triton_predict_request_t *request,
    keynet_inference_triton_predict_list_output_t *outputs,
    keynet_inference_triton_predict_error_t *failure) {
    keynet_testing_answers *answers = ask(request, failure);
    if (answers == NULL) return false;
    bool is_one = answers->count == 1;
    if (is_one) {
        *outputs = hand_over(&answers->all[0]);
    } else {
        memory_fail(failure, KEYNET_ERROR_INVALID,
                    "the model answered %zu times: use keynet_predict_stream", answers->count);
    }
    memory_answers_free(answers);
    return is_one;
}

void keynet_inference_triton_predict_predict_many(
    keynet_inference_triton_predict_list_request_t *requests,
    keynet_inference_triton_predict_list_result_list_output_error_t *results) {
    size_t count = requests->len;
    results->len = count;
    results->ptr = count > 0 ? keynet_allocate(count * sizeof *results->ptr) : (void *)8;
    for (size_t at = 0; at < count; at++) {
        if (count > MOST_REQUESTS) {
            results->ptr[at].is_err = true;
            memory_fail(&results->ptr[at].val.err, KEYNET_ERROR_TOO_LARGE,
                        "%zu requests at once: at most %d may go together", count, MOST_REQUESTS);
        } else {
            keynet_inference_triton_predict_list_output_t outputs;
            keynet_inference_types_error_t failure;
            results->ptr[at].is_err =
                !keynet_inference_triton_predict_predict(&requests->ptr[at], &outputs, &failure);
            if (results->ptr[at].is_err) {
                results->ptr[at].val.err = failure;
            } else {
                results->ptr[at].val.ok = outputs;
            }
        }
    }
}

/* ---- Streams */

bool keynet_inference_triton_predict_predict_stream(
    keynet_inference_triton_predict_request_t *request,
    keynet_inference_triton_predict_own_prediction_stream_t *stream,
    keynet_inference_triton_predict_error_t *failure) {
    keynet_testing_answers *answers = ask(request, failure);
    if (answers == NULL) return false;
    stream->__handle = memory_open((memory_slot){.kind = MEMORY_STREAM, .answers = answers});
    return true;
}

bool keynet_inference_triton_predict_method_prediction_stream_next(
    keynet_inference_triton_predict_borrow_prediction_stream_t self,
    keynet_inference_triton_predict_option_list_output_t *answer,
    keynet_inference_triton_predict_error_t *failure) {
    (void)failure;
    keynet_testing_answers *answers = memory_at(self.__handle, MEMORY_STREAM)->answers;
    answer->is_some = answers->next < answers->count;
    if (answer->is_some) answer->val = hand_over(&answers->all[answers->next++]);
    return true;
}

void keynet_inference_triton_predict_prediction_stream_drop_own(
    keynet_inference_triton_predict_own_prediction_stream_t handle) {
    memory_close(handle.__handle, MEMORY_STREAM);
}

/* ---- Metadata */

static keynet_inference_triton_predict_list_tensor_info_t infos(const declarations *list) {
    keynet_inference_triton_predict_list_tensor_info_t made = {(void *)8, list->count};
    if (list->count > 0) made.ptr = keynet_allocate(list->count * sizeof *made.ptr);
    for (size_t at = 0; at < list->count; at++) {
        const declared *each = &list->all[at];
        made.ptr[at].name = memory_to_action(each->name);
        made.ptr[at].data_type = (keynet_inference_triton_predict_data_type_t)each->data_type;
        made.ptr[at].shape = memory_to_shape(each->shape, each->rank);
    }
    return made;
}

bool keynet_inference_triton_predict_metadata(
    action_string_t *name, keynet_inference_triton_predict_model_metadata_t *metadata,
    keynet_inference_triton_predict_error_t *failure) {
    char *text = memory_text(*name);
    const model *found = model_of(text, failure);
    free(text);
    if (found == NULL) return false;
    metadata->name = memory_to_action(found->name);
    metadata->platform = memory_to_action("c");
    metadata->versions.len = 1;
    metadata->versions.ptr = keynet_allocate(sizeof *metadata->versions.ptr);
    metadata->versions.ptr[0] = memory_to_action("1");
    metadata->inputs = infos(&found->inputs);
    metadata->outputs = infos(&found->outputs);
    return true;
}
