/* Flags of floating-point errors. WebAssembly's arithmetic sets none, and libc's functions for them do nothing. The flags that
   numpy itself raises (for a singular matrix, or the division of an integer by zero) are kept here. The variable is one for all
   shared libraries: the dynamic linker takes one of the weak definitions. */

__attribute__((weak, visibility("default"))) int keynet_float_status;

int feraiseexcept(int flags) {
    keynet_float_status |= flags;
    return 0;
}

int feclearexcept(int flags) {
    keynet_float_status &= ~flags;
    return 0;
}

int fetestexcept(int flags) { return keynet_float_status & flags; }
