/* Linked into released programs: the math function that has a newer version since glibc 2.35, by the
 * version that every glibc for x86-64 has. They differ in errno alone. */
float hypotf_of_every_glibc(float x, float y);
__asm__(".symver hypotf_of_every_glibc,hypotf@GLIBC_2.2.5");

float hypotf(float x, float y) {
    return hypotf_of_every_glibc(x, y);
}
