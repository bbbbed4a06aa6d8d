#include "tests.h"

static void an_error_is_replaced_and_told_once(void) {
    keynet_error error = {0};
    CHECK(!keynet_fail(&error, KEYNET_ERROR_DENIED, "no access to `%s`", "cat"));
    CHECK(error.kind == KEYNET_ERROR_DENIED);
    /* The old message is an argument of the new one. */
    CHECK(!keynet_fail(&error, KEYNET_ERROR_INVALID, "twice: %s", error.message));
    CHECK_TEXT(error.message, "twice: no access to `cat`");
    CHECK(!keynet_fail_context(&error, "object %d", 7));
    CHECK_TEXT(error.message, "object 7: twice: no access to `cat`");
    CHECK(error.kind == KEYNET_ERROR_INVALID);
    keynet_error_clear(&error);
    keynet_error_clear(&error);
    CHECK(error.kind == KEYNET_ERROR_NONE && error.message == NULL);
    CHECK(!keynet_fail(NULL, KEYNET_ERROR_INVALID, "to nobody"));
    CHECK(!keynet_fail_context(NULL, "to nobody"));
}

static void kinds_have_the_contracts_names(void) {
    CHECK_TEXT(keynet_error_kind_name(KEYNET_ERROR_PRECONDITION_FAILED), "precondition-failed");
    for (int kind = KEYNET_ERROR_INVALID; kind <= KEYNET_ERROR_INTERNAL; kind++) {
        const char *name = keynet_error_kind_name((keynet_error_kind)kind);
        CHECK((int)keynet_error_kind_of_name(name) == kind);
    }
    CHECK(keynet_error_kind_of_name("nothing") == KEYNET_ERROR_INTERNAL);
}

static void texts_that_are_not_utf8_are_refused_before_the_host_traps(void) {
    keynet_error error = {0};
    keynet_bytes data = {0};
    const char *bad[] = {"\xff", "a\xc3", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80", "\xe0\x80\x80"};
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++) {
        CHECK(!keynet_storage_get(bad[at], &data, &error));
        CHECK(error.kind == KEYNET_ERROR_INVALID && strstr(error.message, "not UTF-8") != NULL);
    }
    CHECK(!keynet_storage_get("상자/\U0001f600", &data, &error));
    CHECK(error.kind == KEYNET_ERROR_NOT_FOUND);
    keynet_error_clear(&error);
}

void test_errors(void) {
    keynet_testing_reset();
    an_error_is_replaced_and_told_once();
    kinds_have_the_contracts_names();
    texts_that_are_not_utf8_are_refused_before_the_host_traps();
}
