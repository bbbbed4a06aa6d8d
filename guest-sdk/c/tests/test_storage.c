#include "tests.h"

static void an_object_is_stored_found_and_deleted(void) {
    keynet_error error = {0};
    keynet_stored stored = {0};
    keynet_bytes data = {0};
    keynet_object_info info = {0};
    keynet_put_options options = {.location = "cats/1", .content_type = "image/png"};
    CHECK(keynet_storage_put("cat", 3, &options, &stored, &error));
    CHECK_TEXT(stored.location, "cats/1");
    CHECK_TEXT(stored.url, "https://storage.invalid/cats/1");
    CHECK(keynet_storage_get(stored.url, &data, &error) && data.size == 3);
    keynet_bytes_free(&data);
    CHECK(keynet_storage_head("cats/1", &info, &error));
    CHECK(info.size == 3 && info.modified_ms != 0);
    CHECK_TEXT(info.content_type, "image/png");
    CHECK_TEXT(info.etag, stored.etag);
    keynet_object_info_free(&info);
    keynet_stored_free(&stored);
    keynet_stored_free(&stored);
    CHECK(keynet_storage_put(NULL, 0, NULL, NULL, &error));
    CHECK(keynet_testing_written_count() == 2);
    CHECK(keynet_testing_written(0)->size == 0);
    CHECK(keynet_storage_get(keynet_testing_written(0)->location, &data, &error));
    CHECK(data.size == 0);
    keynet_bytes_free(&data);
    CHECK(keynet_storage_delete("cats/1", &error) && keynet_storage_delete("cats/1", &error));
    CHECK(!keynet_storage_get("cats/1", &data, &error) && error.kind == KEYNET_ERROR_NOT_FOUND);
    CHECK(!keynet_storage_put("x", 1, &(keynet_put_options){.location = "https://x/"}, NULL, &error));
    CHECK(error.kind == KEYNET_ERROR_INVALID);
    keynet_error_clear(&error);
}

static void conditions_hold(void) {
    keynet_error error = {0};
    keynet_stored first = {0}, second = {0};
    keynet_bytes data = {0};
    bool changed = true;
    keynet_put_options once = {.location = "once", .if_absent = true};
    CHECK(keynet_storage_put("1", 1, &once, &first, &error));
    CHECK(!keynet_storage_put("2", 1, &once, NULL, &error));
    CHECK(error.kind == KEYNET_ERROR_PRECONDITION_FAILED);
    keynet_put_options over = {.location = "once", .if_match = first.etag};
    CHECK(keynet_storage_put("2", 1, &over, &second, &error));
    CHECK(!keynet_storage_put("3", 1, &over, NULL, &error));
    CHECK(keynet_storage_get_if_changed("once", second.etag, &changed, &data, &error) && !changed);
    CHECK(keynet_storage_get_if_changed("once", first.etag, &changed, &data, &error) && changed);
    CHECK(data.size == 1 && data.data[0] == '2');
    keynet_bytes_free(&data);
    CHECK(!keynet_storage_get_if_changed("absent", "x", &changed, &data, &error));
    keynet_stored_free(&first);
    keynet_stored_free(&second);
    keynet_error_clear(&error);
}

static void an_opened_object_is_read_in_parts(void) {
    keynet_error error = {0};
    keynet_object object = {0};
    keynet_bytes data = {0};
    keynet_tensor tensor = {0};
    keynet_testing_object("numbers", "\1\0\0\0\2\0\0\0", 8, NULL);
    CHECK(keynet_storage_open("numbers", &object, &error) && keynet_object_size(object) == 8);
    CHECK(keynet_object_content_type(object) == NULL);
    char *etag = keynet_object_etag(object);
    CHECK(etag != NULL);
    free(etag);
    CHECK(keynet_object_read(object, 4, 100, &data, &error) && data.size == 4 && data.data[0] == 2);
    keynet_bytes_free(&data);
    CHECK(keynet_object_to_tensor(object, KEYNET_INT32, KEYNET_SHAPE(2), &tensor, &error));
    CHECK(keynet_storage_put_tensor(tensor, "copy", NULL, NULL, &error));
    CHECK(keynet_testing_find("copy")->size == 8);
    keynet_tensor_drop(&tensor);
    CHECK(!keynet_object_to_tensor(object, KEYNET_INT64, KEYNET_SHAPE(2), &tensor, &error));
    keynet_testing_object("numbers", "", 0, NULL);
    CHECK(!keynet_object_read(object, 0, 1, &data, &error));
    CHECK(error.kind == KEYNET_ERROR_PRECONDITION_FAILED);
    keynet_object_close(&object);
    keynet_object_close(&object);
    keynet_error_clear(&error);
}

static void an_upload_is_seen_when_it_is_finished(void) {
    keynet_error error = {0};
    keynet_upload upload = {0};
    keynet_stored stored = {0};
    CHECK(keynet_storage_upload("large", "text/plain", &upload, &error));
    CHECK(keynet_upload_write(upload, "one ", 4, &error));
    CHECK(keynet_upload_write(upload, "two", 3, &error));
    CHECK(keynet_testing_find("large") == NULL);
    CHECK(keynet_upload_finish(&upload, &stored, &error) && upload.handle == 0);
    CHECK(keynet_testing_find("large")->size == 7);
    keynet_stored_free(&stored);
    CHECK(!keynet_upload_finish(&upload, NULL, &error) && error.kind == KEYNET_ERROR_INVALID);
    CHECK(!keynet_upload_write(upload, "x", 1, &error));
    CHECK(keynet_storage_upload("aborted", NULL, &upload, &error));
    CHECK(keynet_upload_abort(&upload, &error) && keynet_upload_abort(&upload, &error));
    CHECK(keynet_storage_upload("dropped", NULL, &upload, &error));
    keynet_upload_drop(&upload);
    CHECK(keynet_testing_find("aborted") == NULL && keynet_testing_find("dropped") == NULL);
    keynet_error_clear(&error);
}

static void urls_and_listings(void) {
    keynet_error error = {0};
    keynet_page page = {0};
    char *location = NULL, *url = NULL;
    CHECK(keynet_storage_presign("large", (keynet_optional_u32){0}, &url, &error));
    CHECK_TEXT(url, "https://storage.invalid/large");
    free(url);
    CHECK(!keynet_storage_presign("large", KEYNET_SOME(0), &url, &error));
    CHECK(keynet_storage_presign_put(NULL, "text/plain", KEYNET_SOME(60), &location, &url, &error));
    CHECK(strstr(url, location) != NULL);
    free(location);
    free(url);
    CHECK(keynet_storage_list("", NULL, &page, &error) && page.next == NULL);
    CHECK(page.count == 5 && page.objects[0].content_type == NULL);
    CHECK_TEXT(page.objects[page.count - 1].location, "once");
    keynet_page_free(&page);
    CHECK(keynet_storage_list("nothing/", NULL, &page, &error) && page.count == 0);
    keynet_page_free(&page);
    keynet_error_clear(&error);
}

void test_storage(void) {
    keynet_testing_reset();
    an_object_is_stored_found_and_deleted();
    conditions_hold();
    an_opened_object_is_read_in_parts();
    an_upload_is_seen_when_it_is_finished();
    urls_and_listings();
    CHECK(keynet_testing_open_handles() == 0);
}
