/* Logs, and the ends that an action does not return from. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "internal.h"

static const char *const LEVELS[] = {"DEBUG", "INFO", "WARNING", "ERROR"};

static keynet_log_level least_level(void) {
    const char *wanted = getenv("LOG_LEVEL");
    if (wanted == NULL) return KEYNET_LOG_INFO;
    for (size_t level = 0; level < sizeof LEVELS / sizeof *LEVELS; level++) {
        if (strcasecmp(wanted, LEVELS[level]) == 0) return (keynet_log_level)level;
    }
    return strcasecmp(wanted, "warn") == 0 ? KEYNET_LOG_WARNING : KEYNET_LOG_INFO;
}

/* A line's text, on one line. */
static void print_line(const char *start, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    size_t before = strlen(start);
    size_t size = before + (length < 0 ? 0 : (size_t)length);
    char *text = keynet_allocate(size + 2);
    memcpy(text, start, before);
    if (length > 0) vsnprintf(text + before, (size_t)length + 1, format, again);
    va_end(again);
    for (size_t at = 0; at < size; at++) {
        if (text[at] == '\n' || text[at] == '\r') text[at] = ' ';
    }
    text[size] = '\n';
    fwrite(text, 1, size + 1, stderr);
    free(text);
}

void keynet_log(keynet_log_level level, const char *file, int line, const char *format, ...) {
    if ((size_t)level >= sizeof LEVELS / sizeof *LEVELS || level < least_level()) return;
    char *start = keynet_format("%-7s %s:%d: ", LEVELS[level], file, line);
    va_list arguments;
    va_start(arguments, format);
    print_line(start, format, arguments);
    va_end(arguments);
    free(start);
}

void keynet_panic(const char *file, int line, const char *format, ...) {
    fflush(stdout);
    char *start = keynet_format("panicked at %s:%d: ", file, line);
    va_list arguments;
    va_start(arguments, format);
    print_line(start, format, arguments);
    va_end(arguments);
    free(start);
    abort();
}

#ifdef __wasm__
/* Replaces libc's, so that a failed `assert` is told like a panic. */
KEYNET_NORETURN void __assert_fail(const char *expression, const char *file, int line,
                                   const char *function) {
    keynet_panic(file, line, "assertion failed: %s (in %s)", expression, function);
}
#endif
