/* The tags of the exceptions that clang makes of longjmp and of C++. lower_exceptions.py removes them. */
__asm__(
    ".globl __c_longjmp\n"
    ".hidden __c_longjmp\n"
    ".tagtype __c_longjmp i32\n"
    "__c_longjmp:\n"
    ".globl __cpp_exception\n"
    ".hidden __cpp_exception\n"
    ".tagtype __cpp_exception i32\n"
    "__cpp_exception:\n");
