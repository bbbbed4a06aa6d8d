/* Errors, and memory that does not run out. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static const char *const KIND_NAMES[] = {
    "none", "invalid", "not-found", "denied", "precondition-failed",
    "too-large", "timeout", "unavailable", "internal",
};
enum { KINDS = sizeof KIND_NAMES / sizeof *KIND_NAMES };

void *keynet_allocate(size_t size) {
    void *memory = malloc(size > 0 ? size : 1);
    if (memory == NULL) {
        /* The host reports the limit that was met. */
        fflush(stdout);
        fprintf(stderr, "memory allocation of %zu bytes failed\n", size);
        abort();
    }
    return memory;
}

static char *format_text(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    size_t size = length < 0 ? 1 : (size_t)length + 1;
    char *text = keynet_allocate(size);
    if (length < 0 || vsnprintf(text, size, format, again) < 0) text[0] = '\0';
    va_end(again);
    return text;
}

char *keynet_format(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = format_text(format, arguments);
    va_end(arguments);
    return text;
}

bool keynet_fail(keynet_error *error, keynet_error_kind kind, const char *format, ...) {
    if (error == NULL) return false;
    va_list arguments;
    va_start(arguments, format);
    /* The arguments may be parts of the error that is replaced. */
    char *message = format_text(format, arguments);
    va_end(arguments);
    keynet_error_clear(error);
    *error = (keynet_error){kind, message};
    return false;
}

bool keynet_fail_context(keynet_error *error, const char *format, ...) {
    if (error == NULL) return false;
    va_list arguments;
    va_start(arguments, format);
    char *context = format_text(format, arguments);
    va_end(arguments);
    keynet_error_kind kind = error->kind == KEYNET_ERROR_NONE ? KEYNET_ERROR_INTERNAL : error->kind;
    keynet_fail(error, kind, "%s: %s", context, error->message != NULL ? error->message : "it failed");
    free(context);
    return false;
}

void keynet_error_clear(keynet_error *error) {
    if (error == NULL) return;
    free(error->message);
    *error = (keynet_error){0};
}

const char *keynet_error_kind_name(keynet_error_kind kind) {
    return (size_t)kind < KINDS ? KIND_NAMES[kind] : "internal";
}

keynet_error_kind keynet_error_kind_of_name(const char *name) {
    for (size_t kind = KEYNET_ERROR_INVALID; kind < KINDS; kind++) {
        if (strcmp(name, KIND_NAMES[kind]) == 0) return (keynet_error_kind)kind;
    }
    return KEYNET_ERROR_INTERNAL;
}

bool keynet_fail_from_host(keynet_error *error, keynet_inference_types_error_t from_host) {
    char *message = keynet_text_from_host(from_host.message);
    if (error == NULL) {
        free(message);
        return false;
    }
    keynet_error_clear(error);
    /* The host's kinds are in the same order, without the one for no error. */
    *error = (keynet_error){(keynet_error_kind)(from_host.kind + KEYNET_ERROR_INVALID), message};
    return false;
}
