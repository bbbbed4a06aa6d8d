/* Linked into released programs: the math function that has a newer version since glibc 2.35, computed as
 * that version does, so that the programs also run with an older glibc. */
float hypotf(float x, float y) {
    if (__builtin_isinf(x) || __builtin_isinf(y)) {
        return __builtin_inff();
    }
    return (float)__builtin_sqrt((double)x * x + (double)y * y);
}
