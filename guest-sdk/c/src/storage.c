/* Objects. */
#include <stdlib.h>

#include "internal.h"

typedef keynet_inference_types_error_t host_error;

static bool check_location(const char *location, keynet_error *error) {
    return keynet_check_text("the location", location, error);
}

static bool check_written(const char *location, const char *content_type, keynet_error *error) {
    return check_location(location, error) &&
           keynet_check_text("the content type", content_type, error);
}

/* ---- Reading */

bool keynet_storage_get(const char *location, keynet_bytes *data, keynet_error *error) {
    if (!check_location(location, error)) return false;
    action_string_t lent = keynet_text_to_host(location);
    action_list_u8_t list;
    host_error failure;
    if (!keynet_inference_storage_get(&lent, NULL, &list, &failure)) {
        return keynet_fail_from_host(error, failure);
    }
    *data = keynet_bytes_from_host(list);
    return true;
}

bool keynet_storage_get_if_changed(const char *location, const char *etag, bool *changed,
                                   keynet_bytes *data, keynet_error *error) {
    if (!check_location(location, error) || !keynet_check_text("the etag", etag, error)) {
        return false;
    }
    action_string_t lent = keynet_text_to_host(location), held = keynet_text_to_host(etag);
    action_list_u8_t list;
    host_error failure;
    if (keynet_inference_storage_get(&lent, &held, &list, &failure)) {
        *data = keynet_bytes_from_host(list);
        *changed = true;
        return true;
    }
    if (failure.kind != KEYNET_INFERENCE_TYPES_ERROR_KIND_PRECONDITION_FAILED) {
        return keynet_fail_from_host(error, failure);
    }
    keynet_free_list(failure.message.ptr, failure.message.len);
    *changed = false;
    return true;
}

static keynet_object_info info_from_host(keynet_inference_storage_object_info_t info) {
    return (keynet_object_info){
        .location = keynet_text_from_host(info.location),
        .size = info.size,
        .content_type = keynet_option_from_host(info.content_type),
        .etag = keynet_option_from_host(info.etag),
        .modified_ms = info.modified_ms.is_some ? info.modified_ms.val : 0,
    };
}

void keynet_object_info_free(keynet_object_info *info) {
    free(info->location);
    free(info->content_type);
    free(info->etag);
    *info = (keynet_object_info){0};
}

bool keynet_storage_head(const char *location, keynet_object_info *info, keynet_error *error) {
    if (!check_location(location, error)) return false;
    action_string_t lent = keynet_text_to_host(location);
    keynet_inference_storage_object_info_t found;
    host_error failure;
    if (!keynet_inference_storage_head(&lent, &found, &failure)) {
        return keynet_fail_from_host(error, failure);
    }
    *info = info_from_host(found);
    return true;
}

/* ---- Opened objects */

static keynet_inference_storage_borrow_object_t borrow(keynet_object object) {
    return (keynet_inference_storage_borrow_object_t){object.handle};
}

bool keynet_storage_open(const char *location, keynet_object *object, keynet_error *error) {
    if (!check_location(location, error)) return false;
    action_string_t lent = keynet_text_to_host(location);
    keynet_inference_storage_own_object_t opened;
    host_error failure;
    if (!keynet_inference_storage_open(&lent, &opened, &failure)) {
        return keynet_fail_from_host(error, failure);
    }
    object->handle = opened.__handle;
    return true;
}

void keynet_object_close(keynet_object *object) {
    if (object->handle != 0) {
        keynet_inference_storage_object_drop_own(
            (keynet_inference_storage_own_object_t){object->handle});
    }
    object->handle = 0;
}

uint64_t keynet_object_size(keynet_object object) {
    return keynet_inference_storage_method_object_size(borrow(object));
}

char *keynet_object_content_type(keynet_object object) {
    action_option_string_t type = {0};
    type.is_some = keynet_inference_storage_method_object_content_type(borrow(object), &type.val);
    return keynet_option_from_host(type);
}

char *keynet_object_etag(keynet_object object) {
    action_option_string_t etag = {0};
    etag.is_some = keynet_inference_storage_method_object_etag(borrow(object), &etag.val);
    return keynet_option_from_host(etag);
}

bool keynet_object_read(keynet_object object, uint64_t offset, uint64_t length, keynet_bytes *data,
                        keynet_error *error) {
    action_list_u8_t list;
    host_error failure;
    if (!keynet_inference_storage_method_object_read(borrow(object), offset, length, &list,
                                                     &failure)) {
        return keynet_fail_from_host(error, failure);
    }
    *data = keynet_bytes_from_host(list);
    return true;
}

bool keynet_object_to_tensor(keynet_object object, keynet_data_type data_type, const int64_t *shape,
                             size_t rank, keynet_tensor *tensor, keynet_error *error) {
    action_list_s64_t dimensions = keynet_shape_to_host(shape, rank);
    keynet_inference_storage_own_tensor_t made;
    host_error failure;
    if (!keynet_inference_storage_method_object_to_tensor(
            borrow(object), (keynet_inference_storage_data_type_t)data_type, &dimensions, &made,
            &failure)) {
        return keynet_fail_from_host(error, failure);
    }
    tensor->handle = made.__handle;
    return true;
}

/* ---- Writing */

/* Hands over where an object went; `stored` may be NULL. */
static void stored_from_host(keynet_inference_storage_stored_t from_host, keynet_stored *stored) {
    keynet_stored moved = {
        .location = keynet_text_from_host(from_host.location),
        .url = keynet_text_from_host(from_host.url),
        .etag = keynet_option_from_host(from_host.etag),
    };
    if (stored != NULL) {
        *stored = moved;
    } else {
        keynet_stored_free(&moved);
    }
}

void keynet_stored_free(keynet_stored *stored) {
    free(stored->location);
    free(stored->url);
    free(stored->etag);
    *stored = (keynet_stored){0};
}

bool keynet_storage_put(const void *data, size_t size, const keynet_put_options *options,
                        keynet_stored *stored, keynet_error *error) {
    static const keynet_put_options DEFAULTS = {0};
    if (options == NULL) options = &DEFAULTS;
    if (!check_written(options->location, options->content_type, error) ||
        !keynet_check_text("the etag", options->if_match, error)) {
        return false;
    }
    action_list_u8_t bytes = {(uint8_t *)data, size};
    action_string_t location, content_type, if_match, if_none_match;
    keynet_inference_storage_stored_t written;
    host_error failure;
    if (!keynet_inference_storage_put(
            &bytes, keynet_option_to_host(options->location, &location),
            keynet_option_to_host(options->content_type, &content_type),
            keynet_option_to_host(options->if_match, &if_match),
            keynet_option_to_host(options->if_absent ? "*" : NULL, &if_none_match), &written,
            &failure)) {
        return keynet_fail_from_host(error, failure);
    }
    stored_from_host(written, stored);
    return true;
}

bool keynet_storage_put_tensor(keynet_tensor tensor, const char *location, const char *content_type,
                               keynet_stored *stored, keynet_error *error) {
    if (!check_written(location, content_type, error)) return false;
    action_string_t at, type;
    keynet_inference_storage_stored_t written;
    host_error failure;
    if (!keynet_inference_storage_put_tensor(
            (keynet_inference_storage_borrow_tensor_t){tensor.handle},
            keynet_option_to_host(location, &at), keynet_option_to_host(content_type, &type),
            &written, &failure)) {
        return keynet_fail_from_host(error, failure);
    }
    stored_from_host(written, stored);
    return true;
}

/* ---- Uploads */

bool keynet_storage_upload(const char *location, const char *content_type, keynet_upload *upload,
                           keynet_error *error) {
    if (!check_written(location, content_type, error)) return false;
    action_string_t at, type;
    keynet_inference_storage_own_upload_t begun;
    host_error failure;
    if (!keynet_inference_storage_create_upload(keynet_option_to_host(location, &at),
                                                keynet_option_to_host(content_type, &type), &begun,
                                                &failure)) {
        return keynet_fail_from_host(error, failure);
    }
    upload->handle = begun.__handle;
    return true;
}

static bool fail_given_back(keynet_error *error) {
    return keynet_fail(error, KEYNET_ERROR_INVALID, "the upload was finished or aborted before");
}

bool keynet_upload_write(keynet_upload upload, const void *data, size_t size, keynet_error *error) {
    if (upload.handle == 0) return fail_given_back(error);
    action_list_u8_t bytes = {(uint8_t *)data, size};
    host_error failure;
    if (!keynet_inference_storage_method_upload_write(
            (keynet_inference_storage_borrow_upload_t){upload.handle}, &bytes, &failure)) {
        return keynet_fail_from_host(error, failure);
    }
    return true;
}

bool keynet_upload_finish(keynet_upload *upload, keynet_stored *stored, keynet_error *error) {
    if (upload->handle == 0) return fail_given_back(error);
    keynet_inference_storage_stored_t written;
    host_error failure;
    if (!keynet_inference_storage_method_upload_finish(
            (keynet_inference_storage_borrow_upload_t){upload->handle}, &written, &failure)) {
        return keynet_fail_from_host(error, failure);
    }
    stored_from_host(written, stored);
    keynet_upload_drop(upload);
    return true;
}

bool keynet_upload_abort(keynet_upload *upload, keynet_error *error) {
    if (upload->handle == 0) return true;
    host_error failure;
    if (!keynet_inference_storage_method_upload_abort(
            (keynet_inference_storage_borrow_upload_t){upload->handle}, &failure)) {
        return keynet_fail_from_host(error, failure);
    }
    keynet_upload_drop(upload);
    return true;
}

void keynet_upload_drop(keynet_upload *upload) {
    if (upload->handle != 0) {
        keynet_inference_storage_upload_drop_own(
            (keynet_inference_storage_own_upload_t){upload->handle});
    }
    upload->handle = 0;
}

/* ---- URLs, listings, deletion */

static uint32_t *seconds(keynet_optional_u32 *ttl) {
    return ttl->is_set ? &ttl->value : NULL;
}

bool keynet_storage_presign(const char *location, keynet_optional_u32 ttl_seconds, char **url,
                            keynet_error *error) {
    if (!check_location(location, error)) return false;
    action_string_t lent = keynet_text_to_host(location), made;
    host_error failure;
    if (!keynet_inference_storage_presign(&lent, seconds(&ttl_seconds), &made, &failure)) {
        return keynet_fail_from_host(error, failure);
    }
    *url = keynet_text_from_host(made);
    return true;
}

bool keynet_storage_presign_put(const char *location, const char *content_type,
                                keynet_optional_u32 ttl_seconds, char **written, char **url,
                                keynet_error *error) {
    if (!check_written(location, content_type, error)) return false;
    action_string_t at, type;
    keynet_inference_storage_write_grant_t grant;
    host_error failure;
    if (!keynet_inference_storage_presign_put(keynet_option_to_host(location, &at),
                                              keynet_option_to_host(content_type, &type),
                                              seconds(&ttl_seconds), &grant, &failure)) {
        return keynet_fail_from_host(error, failure);
    }
    *written = keynet_text_from_host(grant.location);
    *url = keynet_text_from_host(grant.url);
    return true;
}

bool keynet_storage_list(const char *prefix, const char *cursor, keynet_page *page,
                         keynet_error *error) {
    if (!keynet_check_text("the prefix", prefix, error) ||
        !keynet_check_text("the cursor", cursor, error)) {
        return false;
    }
    action_string_t start = keynet_text_to_host(prefix), from;
    keynet_inference_storage_page_t found;
    host_error failure;
    if (!keynet_inference_storage_list(&start, keynet_option_to_host(cursor, &from), &found,
                                       &failure)) {
        return keynet_fail_from_host(error, failure);
    }
    keynet_page made = {0};
    made.count = found.objects.len;
    made.objects = made.count > 0 ? keynet_allocate(made.count * sizeof *made.objects) : NULL;
    for (size_t at = 0; at < made.count; at++) {
        made.objects[at] = info_from_host(found.objects.ptr[at]);
    }
    keynet_free_list(found.objects.ptr, found.objects.len);
    made.next = keynet_option_from_host(found.next);
    *page = made;
    return true;
}

void keynet_page_free(keynet_page *page) {
    for (size_t at = 0; at < page->count; at++) keynet_object_info_free(&page->objects[at]);
    free(page->objects);
    free(page->next);
    *page = (keynet_page){0};
}

bool keynet_storage_delete(const char *location, keynet_error *error) {
    if (!check_location(location, error)) return false;
    action_string_t lent = keynet_text_to_host(location);
    host_error failure;
    if (!keynet_inference_storage_delete(&lent, &failure)) {
        return keynet_fail_from_host(error, failure);
    }
    return true;
}
