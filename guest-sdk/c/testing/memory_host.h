/* The host in memory: what the two halves of it share. */
#ifndef KEYNET_MEMORY_HOST_H
#define KEYNET_MEMORY_HOST_H

#include "../src/internal.h"
#include "keynet_testing.h"

enum memory_kind { MEMORY_FREE = 0, MEMORY_TENSOR, MEMORY_STREAM, MEMORY_OBJECT, MEMORY_UPLOAD };

/* A tensor, or the content of an upload. */
typedef struct memory_tensor {
    keynet_data_type data_type;
    int64_t *shape;
    size_t rank;
    uint8_t *data;
    size_t size;
} memory_tensor;

/* What a handle stands for. */
typedef struct memory_slot {
    enum memory_kind kind;
    memory_tensor tensor;
    keynet_testing_answers *answers;
    /* An opened object's, or the one that an upload writes. */
    char *location;
    char *content_type;
    char *etag;
    bool is_finished;
} memory_slot;

/* Copies bytes; at least a byte is allocated. */
void *memory_copy(const void *data, size_t size);
char *memory_text(action_string_t text);

/* Texts and lists as the host returns them: empty ones have no memory. */
action_string_t memory_to_action(const char *text);
action_option_string_t memory_to_option(const char *text);
action_list_u8_t memory_to_bytes(const uint8_t *data, size_t size);
action_list_s64_t memory_to_shape(const int64_t *shape, size_t rank);

/* Fills the host's error. Returns false. */
bool memory_fail(keynet_inference_types_error_t *failure, keynet_error_kind kind,
                 const char *format, ...) KEYNET_PRINTF(3, 4);

/* Moves an error into the host's. Returns false. */
bool memory_fail_with(keynet_inference_types_error_t *failure, keynet_error *error);

/* Makes a handle. */
int32_t memory_open(memory_slot slot);

/* Returns what a handle stands for; ends the test where it stands for nothing of this kind. */
memory_slot *memory_at(int32_t handle, enum memory_kind kind);
void memory_close(int32_t handle, enum memory_kind kind);

/* Makes a tensor of data that fills the shape. */
bool memory_tensor_open(keynet_data_type data_type, const int64_t *shape, size_t rank,
                        const uint8_t *data, size_t size, int32_t *handle,
                        keynet_inference_types_error_t *failure);

/* The halves' own. */
void memory_models_reset(void);
void memory_objects_reset(void);
void memory_answers_free(keynet_testing_answers *answers);
char *memory_parameters(void);

#endif
