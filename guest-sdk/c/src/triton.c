/* Models. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

typedef keynet_inference_triton_predict_request_t host_request;

/* ---- Requests */

static bool check_request(const keynet_request *request, keynet_error *error) {
    if (!keynet_check_text("the model's name", request->model, error) ||
        !keynet_check_text("the request's parameters", request->parameters, error)) {
        return false;
    }
    for (size_t at = 0; at < request->input_count; at++) {
        if (!keynet_check_text("an input's name", request->inputs[at].name, error)) return false;
    }
    for (size_t at = 0; at < request->output_count; at++) {
        if (!keynet_check_text("an output's name", request->outputs[at], error)) return false;
    }
    return true;
}

/* Lends a request to the host; `release` frees its lists. */
static host_request to_host(const keynet_request *request) {
    host_request lent = {0};
    lent.model = keynet_text_to_host(request->model);
    lent.parameters = keynet_text_to_host(request->parameters);
    lent.timeout_ms = (action_option_u32_t){request->timeout_ms.is_set, request->timeout_ms.value};
    lent.inputs.len = request->input_count;
    lent.inputs.ptr = keynet_allocate(request->input_count * sizeof *lent.inputs.ptr);
    for (size_t at = 0; at < request->input_count; at++) {
        lent.inputs.ptr[at].name = keynet_text_to_host(request->inputs[at].name);
        lent.inputs.ptr[at].tensor.__handle = request->inputs[at].tensor.handle;
    }
    lent.outputs.len = request->output_count;
    lent.outputs.ptr = keynet_allocate(request->output_count * sizeof *lent.outputs.ptr);
    for (size_t at = 0; at < request->output_count; at++) {
        lent.outputs.ptr[at] = keynet_text_to_host(request->outputs[at]);
    }
    return lent;
}

/* The texts and tensors in the lists were only lent. */
static void release(host_request *request) {
    free(request->inputs.ptr);
    free(request->outputs.ptr);
}

/* ---- Outputs */

keynet_outputs keynet_outputs_from_host(keynet_inference_triton_predict_list_output_t list) {
    if (list.len == 0) return (keynet_outputs){0};
    keynet_outputs outputs = {keynet_allocate(list.len * sizeof(keynet_output)), list.len};
    for (size_t at = 0; at < list.len; at++) {
        outputs.outputs[at].name = keynet_text_from_host(list.ptr[at].name);
        outputs.outputs[at].tensor.handle = list.ptr[at].tensor.__handle;
    }
    keynet_free_list(list.ptr, list.len);
    return outputs;
}

void keynet_outputs_free(keynet_outputs *outputs) {
    for (size_t at = 0; at < outputs->count; at++) {
        free(outputs->outputs[at].name);
        keynet_tensor_drop(&outputs->outputs[at].tensor);
    }
    free(outputs->outputs);
    *outputs = (keynet_outputs){0};
}

static keynet_output *find(const keynet_outputs *outputs, const char *name) {
    for (size_t at = 0; at < outputs->count; at++) {
        keynet_output *output = &outputs->outputs[at];
        if (output->tensor.handle != 0 && strcmp(output->name, name) == 0) return output;
    }
    return NULL;
}

static bool fail_absent(const keynet_outputs *outputs, const char *name, keynet_error *error) {
    char *there = keynet_format("%s", "");
    for (size_t at = 0; at < outputs->count; at++) {
        if (outputs->outputs[at].tensor.handle == 0) continue;
        char *longer = keynet_format("%s%s`%s`", there, there[0] == '\0' ? "" : ", ",
                                     outputs->outputs[at].name);
        free(there);
        there = longer;
    }
    keynet_fail(error, KEYNET_ERROR_INVALID, "there is no output `%s`: there is %s", name,
                there[0] == '\0' ? "none" : there);
    free(there);
    return false;
}

bool keynet_outputs_get(const keynet_outputs *outputs, const char *name, keynet_tensor *tensor,
                        keynet_error *error) {
    keynet_output *found = find(outputs, name);
    if (found == NULL) return fail_absent(outputs, name, error);
    *tensor = found->tensor;
    return true;
}

bool keynet_outputs_take(keynet_outputs *outputs, const char *name, keynet_tensor *tensor,
                         keynet_error *error) {
    keynet_output *found = find(outputs, name);
    if (found == NULL) return fail_absent(outputs, name, error);
    *tensor = found->tensor;
    found->tensor.handle = 0;
    return true;
}

/* ---- Asking */

bool keynet_predict(const keynet_request *request, keynet_outputs *outputs, keynet_error *error) {
    if (!check_request(request, error)) return false;
    host_request lent = to_host(request);
    keynet_inference_triton_predict_list_output_t list;
    keynet_inference_types_error_t failure;
    bool is_done = keynet_inference_triton_predict_predict(&lent, &list, &failure);
    release(&lent);
    if (!is_done) return keynet_fail_from_host(error, failure);
    *outputs = keynet_outputs_from_host(list);
    return true;
}

void keynet_prediction_free(keynet_prediction *prediction) {
    keynet_outputs_free(&prediction->outputs);
    keynet_error_clear(&prediction->error);
}

void keynet_predict_many(const keynet_request *requests, size_t count,
                         keynet_prediction *predictions) {
    if (count > 0) memset(predictions, 0, count * sizeof *predictions);
    host_request *lent = keynet_allocate(count * sizeof *lent);
    size_t *places = keynet_allocate(count * sizeof *places);
    size_t sent = 0;
    for (size_t at = 0; at < count; at++) {
        if (!check_request(&requests[at], &predictions[at].error)) continue;
        lent[sent] = to_host(&requests[at]);
        places[sent++] = at;
    }
    keynet_inference_triton_predict_list_request_t list = {lent, sent};
    keynet_inference_triton_predict_list_result_list_output_error_t answers;
    keynet_inference_triton_predict_predict_many(&list, &answers);
    for (size_t at = 0; at < sent; at++) {
        keynet_prediction *prediction = &predictions[places[at]];
        if (at >= answers.len) {
            keynet_fail(&prediction->error, KEYNET_ERROR_INTERNAL,
                        "the host answered %zu of %zu requests", answers.len, sent);
        } else if (answers.ptr[at].is_err) {
            keynet_fail_from_host(&prediction->error, answers.ptr[at].val.err);
        } else {
            prediction->outputs = keynet_outputs_from_host(answers.ptr[at].val.ok);
        }
        release(&lent[at]);
    }
    keynet_free_list(answers.ptr, answers.len);
    free(places);
    free(lent);
}

/* ---- Streams */

bool keynet_predict_stream(const keynet_request *request, keynet_stream *stream,
                           keynet_error *error) {
    if (!check_request(request, error)) return false;
    host_request lent = to_host(request);
    keynet_inference_triton_predict_own_prediction_stream_t opened;
    keynet_inference_types_error_t failure;
    bool is_done = keynet_inference_triton_predict_predict_stream(&lent, &opened, &failure);
    release(&lent);
    if (!is_done) return keynet_fail_from_host(error, failure);
    stream->handle = opened.__handle;
    return true;
}

bool keynet_stream_next(keynet_stream *stream, keynet_outputs *outputs, bool *ended,
                        keynet_error *error) {
    keynet_inference_triton_predict_borrow_prediction_stream_t borrowed = {stream->handle};
    keynet_inference_triton_predict_option_list_output_t answer;
    keynet_inference_types_error_t failure;
    if (stream->handle == 0) {
        *ended = true;
        return true;
    }
    if (!keynet_inference_triton_predict_method_prediction_stream_next(borrowed, &answer,
                                                                       &failure)) {
        keynet_stream_drop(stream);
        return keynet_fail_from_host(error, failure);
    }
    *ended = !answer.is_some;
    if (answer.is_some) {
        *outputs = keynet_outputs_from_host(answer.val);
    } else {
        keynet_stream_drop(stream);
    }
    return true;
}

void keynet_stream_drop(keynet_stream *stream) {
    if (stream->handle != 0) {
        keynet_inference_triton_predict_prediction_stream_drop_own(
            (keynet_inference_triton_predict_own_prediction_stream_t){stream->handle});
    }
    stream->handle = 0;
}

/* ---- Metadata */

static keynet_tensor_info *infos_from_host(keynet_inference_triton_predict_list_tensor_info_t list) {
    if (list.len == 0) return NULL;
    keynet_tensor_info *infos = keynet_allocate(list.len * sizeof *infos);
    for (size_t at = 0; at < list.len; at++) {
        infos[at] = (keynet_tensor_info){
            .name = keynet_text_from_host(list.ptr[at].name),
            .data_type = (keynet_data_type)list.ptr[at].data_type,
            .shape = keynet_shape_from_host(list.ptr[at].shape),
        };
    }
    keynet_free_list(list.ptr, list.len);
    return infos;
}

bool keynet_model_metadata(const char *name, keynet_model *model, keynet_error *error) {
    if (!keynet_check_text("the model's name", name, error)) return false;
    action_string_t lent = keynet_text_to_host(name);
    keynet_inference_triton_predict_model_metadata_t found;
    keynet_inference_types_error_t failure;
    if (!keynet_inference_triton_predict_metadata(&lent, &found, &failure)) {
        return keynet_fail_from_host(error, failure);
    }
    *model = (keynet_model){
        .name = keynet_text_from_host(found.name),
        .platform = keynet_text_from_host(found.platform),
        .versions = keynet_allocate(found.versions.len * sizeof(char *)),
        .version_count = found.versions.len,
        .input_count = found.inputs.len,
        .output_count = found.outputs.len,
        .inputs = infos_from_host(found.inputs),
        .outputs = infos_from_host(found.outputs),
    };
    for (size_t at = 0; at < found.versions.len; at++) {
        model->versions[at] = keynet_text_from_host(found.versions.ptr[at]);
    }
    keynet_free_list(found.versions.ptr, found.versions.len);
    return true;
}

static void free_infos(keynet_tensor_info *infos, size_t count) {
    for (size_t at = 0; at < count; at++) {
        free(infos[at].name);
        keynet_shape_free(&infos[at].shape);
    }
    free(infos);
}

void keynet_model_free(keynet_model *model) {
    free(model->name);
    free(model->platform);
    for (size_t at = 0; at < model->version_count; at++) free(model->versions[at]);
    free(model->versions);
    free_infos(model->inputs, model->input_count);
    free_infos(model->outputs, model->output_count);
    *model = (keynet_model){0};
}
