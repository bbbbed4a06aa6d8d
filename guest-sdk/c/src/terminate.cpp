// Tells the end of an action in C++ like a panic: libc++ ends it where it would throw, or where a check of
// its own fails.
#ifdef __wasm__
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string>

_LIBCPP_BEGIN_NAMESPACE_STD

// Replaces libc++'s own, which programs may.
[[noreturn]] void __libcpp_verbose_abort(const char *format, ...) noexcept {
    std::fflush(stdout);
    std::fputs("panicked at libc++: ", stderr);
    va_list arguments;
    va_start(arguments, format);
    std::vfprintf(stderr, format, arguments);
    va_end(arguments);
    std::fputc('\n', stderr);
    std::abort();
}

_LIBCPP_END_NAMESPACE_STD
#endif
