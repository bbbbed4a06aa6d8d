/* What the sandbox gives and takes: time, memory, randomness, files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "parity.h"

/* What must be another in each activation, and the clock. */
bool fresh(yyjson_mut_doc *result, keynet_error *error) {
    uint64_t random = 0;
    struct timespec now = {0};
    if (getentropy(&random, sizeof random) != 0 || clock_gettime(CLOCK_REALTIME, &now) != 0) {
        return keynet_fail(error, KEYNET_ERROR_INTERNAL, "there is no randomness or no clock");
    }
    yyjson_mut_val *root = keynet_result_object(result);
    yyjson_mut_val *different = yyjson_mut_obj_add_obj(result, root, "different");
    yyjson_mut_obj_add_uint(result, different, "getentropy", random);
    yyjson_mut_obj_add_int(result, different, "nanoseconds",
                           now.tv_sec * 1000000000LL + now.tv_nsec);
    yyjson_mut_obj_add_int(result, root, "seconds", (int64_t)time(NULL));
    return true;
}

static bool opens(const char *path, const char *mode) {
    FILE *file = fopen(path, mode);
    if (file != NULL) fclose(file);
    return file != NULL;
}

bool files(yyjson_mut_doc *result, keynet_error *error) {
    (void)error;
    yyjson_mut_val *root = keynet_result_object(result);
    yyjson_mut_obj_add_bool(result, root, "read", opens("/etc/passwd", "rb"));
    yyjson_mut_obj_add_bool(result, root, "written",
                            opens("/tmp/parity", "wb") || opens("parity", "wb"));
    return true;
}

bool allocate(yyjson_mut_doc *result, keynet_error *error) {
    (void)result, (void)error;
    for (;;) memset(keynet_allocate(1 << 20), 1, 1 << 20);
}

bool compute(yyjson_mut_doc *result, keynet_error *error) {
    (void)result, (void)error;
    volatile uint64_t number = 0;
    for (;;) number = number + 1;
}

bool sleep_long(yyjson_mut_doc *result, keynet_error *error) {
    (void)error;
    puts("sleeping");
    sleep(600);
    keynet_result_object(result);
    return true;
}

/* What is read after the call keeps it from becoming a loop. */
static uint64_t deeper(uint64_t depth) {
    volatile uint64_t kept = depth;
    uint64_t below = depth < UINT64_MAX ? deeper(depth + 1) : 0;
    return below + kept;
}

bool recurse(yyjson_mut_doc *result, keynet_error *error) {
    (void)error;
    yyjson_mut_obj_add_uint(result, keynet_result_object(result), "depth", deeper(0));
    return true;
}

bool exit_early(yyjson_mut_doc *result, keynet_error *error) {
    (void)result, (void)error;
    exit(3);
}
