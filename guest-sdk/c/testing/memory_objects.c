/* The host in memory: objects. */
#include <stdlib.h>
#include <string.h>

#include "memory_host.h"

static const char URL[] = "https://storage.invalid/";

typedef struct object {
    char *location;
    uint8_t *data;
    size_t size;
    char *content_type;
    char *etag;
    bool by_action;
} object;

static struct {
    /* In the order of their locations. */
    object *all;
    size_t count;
    unsigned stored;
    keynet_testing_stored told;
} objects;

/* ---- Keeping them */

static void free_object(object *each) {
    free(each->location);
    free(each->data);
    free(each->content_type);
    free(each->etag);
}

void memory_objects_reset(void) {
    for (size_t at = 0; at < objects.count; at++) free_object(&objects.all[at]);
    free(objects.all);
    memset(&objects, 0, sizeof objects);
}

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

/* Returns the key of a URL that this host presigned, and any other location as it is. */
static const char *key_of(const char *location) {
    return starts_with(location, URL) ? location + strlen(URL) : location;
}

static object *find(const char *location) {
    for (size_t at = 0; at < objects.count; at++) {
        if (strcmp(objects.all[at].location, location) == 0) return &objects.all[at];
    }
    return NULL;
}

static void forget(const char *location) {
    object *found = find(location);
    if (found == NULL) return;
    free_object(found);
    size_t after = objects.count - (size_t)(found - objects.all) - 1;
    memmove(found, found + 1, after * sizeof *found);
    objects.count--;
}

static const object *keep(const char *location, const void *data, size_t size,
                          const char *content_type, bool by_action) {
    object kept = {
        .location = keynet_format("%s", location),
        .data = memory_copy(data, size),
        .size = size,
        .content_type = content_type != NULL ? keynet_format("%s", content_type) : NULL,
        .etag = keynet_format("\"%u\"", ++objects.stored),
        .by_action = by_action,
    };
    forget(location);
    object *all = keynet_allocate((objects.count + 1) * sizeof *all);
    size_t before = 0;
    while (before < objects.count && strcmp(objects.all[before].location, location) < 0) before++;
    if (before > 0) memcpy(all, objects.all, before * sizeof *all);
    all[before] = kept;
    if (before < objects.count) {
        memcpy(all + before + 1, objects.all + before, (objects.count - before) * sizeof *all);
    }
    free(objects.all);
    objects.all = all;
    objects.count++;
    return &all[before];
}

/* ---- For tests */

void keynet_testing_object(const char *location, const void *data, size_t size,
                           const char *content_type) {
    keep(location, data, size, content_type, false);
}

static const keynet_testing_stored *tell(const object *found) {
    if (found == NULL) return NULL;
    objects.told = (keynet_testing_stored){
        .location = found->location,
        .data = found->data,
        .size = found->size,
        .content_type = found->content_type,
        .etag = found->etag,
        .by_action = found->by_action,
    };
    return &objects.told;
}

const keynet_testing_stored *keynet_testing_find(const char *location) {
    return tell(find(key_of(location)));
}

size_t keynet_testing_written_count(void) {
    size_t count = 0;
    for (size_t at = 0; at < objects.count; at++) count += objects.all[at].by_action;
    return count;
}

const keynet_testing_stored *keynet_testing_written(size_t position) {
    for (size_t at = 0; at < objects.count; at++) {
        if (objects.all[at].by_action && position-- == 0) return tell(&objects.all[at]);
    }
    return NULL;
}

/* ---- Locations */

/* Finds an object by the location that the action gave. */
static const object *look_up(action_string_t location, keynet_inference_types_error_t *failure) {
    char *text = memory_text(location);
    const object *found = find(key_of(text));
    if (text[0] == '\0') {
        memory_fail(failure, KEYNET_ERROR_INVALID, "the location is empty");
    } else if (found == NULL) {
        memory_fail(failure, KEYNET_ERROR_NOT_FOUND,
                    "there is no object at `%s` in this test: keynet_testing_object adds one", text);
    }
    free(text);
    return found;
}

/* Returns the key to write to, to be freed; NULL where there can be none. */
static char *writable(const action_string_t *location, keynet_inference_types_error_t *failure) {
    if (location == NULL) {
        return keynet_format("20260131/%08x-0000-4000-8000-000000000000", objects.stored + 1);
    }
    char *text = memory_text(*location);
    if (starts_with(text, "http://") || starts_with(text, "https://")) {
        memory_fail(failure, KEYNET_ERROR_INVALID,
                    "`%s` is a URL, which can only be read: write to a key or an s3:// location", text);
    } else if (text[0] == '\0' || text[0] == '/') {
        memory_fail(failure, KEYNET_ERROR_INVALID, "`%s` is not a key", text);
    } else {
        return text;
    }
    free(text);
    return NULL;
}

static char *option_text(const action_string_t *option) {
    return option != NULL ? memory_text(*option) : NULL;
}

static keynet_inference_storage_stored_t stored(const object *kept) {
    char *url = keynet_format("%s%s", URL, kept->location);
    keynet_inference_storage_stored_t told = {
        .location = memory_to_action(kept->location),
        .url = memory_to_action(url),
        .etag = memory_to_option(kept->etag),
    };
    free(url);
    return told;
}

static keynet_inference_storage_object_info_t info(const object *found, bool in_listing) {
    return (keynet_inference_storage_object_info_t){
        .location = memory_to_action(found->location),
        .size = found->size,
        .content_type = memory_to_option(in_listing ? NULL : found->content_type),
        .etag = memory_to_option(found->etag),
        .modified_ms = {true, 1},
    };
}

/* ---- Calls */

bool keynet_inference_storage_get(action_string_t *location, action_string_t *if_none_match,
                                  action_list_u8_t *data,
                                  keynet_inference_storage_error_t *failure) {
    const object *found = look_up(*location, failure);
    if (found == NULL) return false;
    char *held = option_text(if_none_match);
    bool is_same = held != NULL && strcmp(held, found->etag) == 0;
    free(held);
    if (is_same) {
        return memory_fail(failure, KEYNET_ERROR_PRECONDITION_FAILED,
                           "the object `%s` still has the etag %s", found->location, found->etag);
    }
    *data = memory_to_bytes(found->data, found->size);
    return true;
}

bool keynet_inference_storage_head(action_string_t *location,
                                   keynet_inference_storage_object_info_t *told,
                                   keynet_inference_storage_error_t *failure) {
    const object *found = look_up(*location, failure);
    if (found != NULL) *told = info(found, false);
    return found != NULL;
}

bool keynet_inference_storage_put(action_list_u8_t *data, action_string_t *location,
                                  action_string_t *content_type, action_string_t *if_match,
                                  action_string_t *if_none_match,
                                  keynet_inference_storage_stored_t *told,
                                  keynet_inference_storage_error_t *failure) {
    char *key = writable(location, failure);
    if (key == NULL) return false;
    const object *found = find(key);
    char *expected = option_text(if_match);
    bool is_expected = expected == NULL || (found != NULL && strcmp(found->etag, expected) == 0);
    free(expected);
    bool is_kept = is_expected && (if_none_match == NULL || found == NULL);
    if (is_kept) {
        char *type = option_text(content_type);
        *told = stored(keep(key, data->ptr, data->len, type, true));
        free(type);
    } else {
        memory_fail(failure, KEYNET_ERROR_PRECONDITION_FAILED,
                    "the object `%s` is not the one that is expected", key);
    }
    free(key);
    return is_kept;
}

bool keynet_inference_storage_put_tensor(keynet_inference_storage_borrow_tensor_t tensor,
                                         action_string_t *location, action_string_t *content_type,
                                         keynet_inference_storage_stored_t *told,
                                         keynet_inference_storage_error_t *failure) {
    const memory_tensor *kept = &memory_at(tensor.__handle, MEMORY_TENSOR)->tensor;
    action_list_u8_t data = {kept->data, kept->size};
    return keynet_inference_storage_put(&data, location, content_type, NULL, NULL, told, failure);
}

bool keynet_inference_storage_presign(action_string_t *location, uint32_t *ttl_seconds,
                                      action_string_t *url,
                                      keynet_inference_storage_error_t *failure) {
    if (ttl_seconds != NULL && *ttl_seconds < 1) {
        return memory_fail(failure, KEYNET_ERROR_INVALID,
                           "a presigned URL is valid for 1 second or more");
    }
    char *text = memory_text(*location);
    char *made = keynet_format("%s%s", URL, key_of(text));
    *url = memory_to_action(made);
    free(made);
    free(text);
    return true;
}

bool keynet_inference_storage_presign_put(action_string_t *location, action_string_t *content_type,
                                          uint32_t *ttl_seconds,
                                          keynet_inference_storage_write_grant_t *grant,
                                          keynet_inference_storage_error_t *failure) {
    (void)content_type;
    char *key = writable(location, failure);
    if (key == NULL) return false;
    action_string_t at = keynet_text_to_host(key);
    bool is_made = keynet_inference_storage_presign(&at, ttl_seconds, &grant->url, failure);
    if (is_made) grant->location = memory_to_action(key);
    free(key);
    return is_made;
}

bool keynet_inference_storage_list(action_string_t *prefix, action_string_t *cursor,
                                   keynet_inference_storage_page_t *page,
                                   keynet_inference_storage_error_t *failure) {
    (void)cursor;
    (void)failure;
    char *start = memory_text(*prefix);
    page->next = memory_to_option(NULL);
    page->objects.len = 0;
    page->objects.ptr = (void *)8;
    if (objects.count > 0) page->objects.ptr = keynet_allocate(objects.count * sizeof *page->objects.ptr);
    for (size_t at = 0; at < objects.count; at++) {
        const char *location = objects.all[at].location;
        bool is_key = strstr(location, "://") == NULL || starts_with(location, "s3://");
        if (is_key && starts_with(location, start)) {
            page->objects.ptr[page->objects.len++] = info(&objects.all[at], true);
        }
    }
    if (page->objects.len == 0 && objects.count > 0) {
        free(page->objects.ptr);
        page->objects.ptr = (void *)8;
    }
    free(start);
    return true;
}

bool keynet_inference_storage_delete(action_string_t *location,
                                     keynet_inference_storage_error_t *failure) {
    char *key = writable(location, failure);
    if (key == NULL) return false;
    forget(key);
    free(key);
    return true;
}

/* ---- Opened objects */

bool keynet_inference_storage_open(action_string_t *location,
                                   keynet_inference_storage_own_object_t *opened,
                                   keynet_inference_storage_error_t *failure) {
    const object *found = look_up(*location, failure);
    if (found == NULL) return false;
    memory_slot slot = {.kind = MEMORY_OBJECT};
    slot.location = keynet_format("%s", found->location);
    slot.etag = keynet_format("%s", found->etag);
    slot.content_type = found->content_type != NULL ? keynet_format("%s", found->content_type) : NULL;
    slot.tensor.size = found->size;
    opened->__handle = memory_open(slot);
    return true;
}

uint64_t keynet_inference_storage_method_object_size(
    keynet_inference_storage_borrow_object_t self) {
    return memory_at(self.__handle, MEMORY_OBJECT)->tensor.size;
}

static bool tell_option(const char *text, action_string_t *told) {
    if (text != NULL) *told = memory_to_action(text);
    return text != NULL;
}

bool keynet_inference_storage_method_object_content_type(
    keynet_inference_storage_borrow_object_t self, action_string_t *told) {
    return tell_option(memory_at(self.__handle, MEMORY_OBJECT)->content_type, told);
}

bool keynet_inference_storage_method_object_etag(keynet_inference_storage_borrow_object_t self,
                                                 action_string_t *told) {
    return tell_option(memory_at(self.__handle, MEMORY_OBJECT)->etag, told);
}

/* Returns the object that was opened, if it still is the same. */
static const object *reopened(keynet_inference_storage_borrow_object_t self,
                              keynet_inference_storage_error_t *failure) {
    const memory_slot *slot = memory_at(self.__handle, MEMORY_OBJECT);
    const object *found = find(slot->location);
    if (found == NULL) {
        memory_fail(failure, KEYNET_ERROR_NOT_FOUND, "the object `%s` was deleted", slot->location);
    } else if (strcmp(found->etag, slot->etag) != 0) {
        memory_fail(failure, KEYNET_ERROR_PRECONDITION_FAILED, "the object `%s` was replaced",
                    slot->location);
        found = NULL;
    }
    return found;
}

bool keynet_inference_storage_method_object_read(keynet_inference_storage_borrow_object_t self,
                                                 uint64_t offset, uint64_t length,
                                                 action_list_u8_t *data,
                                                 keynet_inference_storage_error_t *failure) {
    const object *found = reopened(self, failure);
    if (found == NULL) return false;
    size_t from = offset < found->size ? (size_t)offset : found->size;
    size_t left = found->size - from;
    *data = memory_to_bytes(found->data + from, length < left ? (size_t)length : left);
    return true;
}

bool keynet_inference_storage_method_object_to_tensor(
    keynet_inference_storage_borrow_object_t self, keynet_inference_storage_data_type_t data_type,
    action_list_s64_t *shape, keynet_inference_storage_own_tensor_t *tensor,
    keynet_inference_storage_error_t *failure) {
    const object *found = reopened(self, failure);
    return found != NULL &&
           memory_tensor_open((keynet_data_type)data_type, shape->ptr, shape->len, found->data,
                              found->size, &tensor->__handle, failure);
}

void keynet_inference_storage_object_drop_own(keynet_inference_storage_own_object_t handle) {
    memory_close(handle.__handle, MEMORY_OBJECT);
}

/* ---- Uploads */

bool keynet_inference_storage_create_upload(action_string_t *location,
                                            action_string_t *content_type,
                                            keynet_inference_storage_own_upload_t *upload,
                                            keynet_inference_storage_error_t *failure) {
    char *key = writable(location, failure);
    if (key == NULL) return false;
    memory_slot slot = {.kind = MEMORY_UPLOAD};
    slot.location = key;
    slot.content_type = option_text(content_type);
    upload->__handle = memory_open(slot);
    return true;
}

static memory_slot *upload_at(keynet_inference_storage_borrow_upload_t self,
                              keynet_inference_storage_error_t *failure) {
    memory_slot *slot = memory_at(self.__handle, MEMORY_UPLOAD);
    if (!slot->is_finished) return slot;
    memory_fail(failure, KEYNET_ERROR_INVALID, "the upload was finished or aborted before");
    return NULL;
}

bool keynet_inference_storage_method_upload_write(keynet_inference_storage_borrow_upload_t self,
                                                  action_list_u8_t *data,
                                                  keynet_inference_storage_error_t *failure) {
    memory_slot *slot = upload_at(self, failure);
    if (slot == NULL) return false;
    uint8_t *longer = keynet_allocate(slot->tensor.size + data->len);
    if (slot->tensor.size > 0) memcpy(longer, slot->tensor.data, slot->tensor.size);
    if (data->len > 0) memcpy(longer + slot->tensor.size, data->ptr, data->len);
    free(slot->tensor.data);
    slot->tensor.data = longer;
    slot->tensor.size += data->len;
    return true;
}

bool keynet_inference_storage_method_upload_finish(keynet_inference_storage_borrow_upload_t self,
                                                   keynet_inference_storage_stored_t *told,
                                                   keynet_inference_storage_error_t *failure) {
    memory_slot *slot = upload_at(self, failure);
    if (slot == NULL) return false;
    slot->is_finished = true;
    *told = stored(keep(slot->location, slot->tensor.data, slot->tensor.size, slot->content_type,
                        true));
    return true;
}

bool keynet_inference_storage_method_upload_abort(keynet_inference_storage_borrow_upload_t self,
                                                  keynet_inference_storage_error_t *failure) {
    (void)failure;
    memory_at(self.__handle, MEMORY_UPLOAD)->is_finished = true;
    return true;
}

void keynet_inference_storage_upload_drop_own(keynet_inference_storage_own_upload_t handle) {
    memory_close(handle.__handle, MEMORY_UPLOAD);
}
