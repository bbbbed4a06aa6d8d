#include <math.h>

#include "tests.h"

static void every_value_of_16_bits_is_itself_again(void) {
    for (uint32_t bits = 0; bits <= UINT16_MAX; bits++) {
        double fp16 = keynet_fp16_to((uint16_t)bits), bf16 = keynet_bf16_to((uint16_t)bits);
        CHECK(isnan(fp16) ? isnan(keynet_fp16_to(keynet_fp16_from(fp16)))
                          : keynet_fp16_from(fp16) == bits);
        CHECK(isnan(bf16) ? isnan(keynet_bf16_to(keynet_bf16_from(bf16)))
                          : keynet_bf16_from(bf16) == bits);
    }
}

/* Between two neighbours the nearer is taken, in the middle the even one. */
static void values_between_are_rounded_to_the_nearest_even(void) {
    for (uint16_t bits = 0; bits < 0x7bff; bits++) {
        double low = keynet_fp16_to(bits), high = keynet_fp16_to((uint16_t)(bits + 1));
        double middle = (low + high) / 2;
        CHECK(keynet_fp16_from(middle) == ((bits & 1) == 0 ? bits : bits + 1));
        CHECK(keynet_fp16_from(nextafter(middle, low)) == bits);
        CHECK(keynet_fp16_from(nextafter(middle, high)) == bits + 1);
        CHECK(keynet_fp16_from(-middle) == (0x8000 | ((bits & 1) == 0 ? bits : bits + 1)));
    }
    for (uint16_t bits = 0; bits < 0x7f7f; bits++) {
        double low = keynet_bf16_to(bits), high = keynet_bf16_to((uint16_t)(bits + 1));
        double middle = (low + high) / 2;
        CHECK(keynet_bf16_from(middle) == ((bits & 1) == 0 ? bits : bits + 1));
        CHECK(keynet_bf16_from(nextafter(middle, high)) == bits + 1);
    }
}

static void values_out_of_range_are_infinite(void) {
    CHECK(keynet_fp16_from(65504) == 0x7bff);
    CHECK(keynet_fp16_from(65519.99) == 0x7bff);
    CHECK(keynet_fp16_from(65520) == 0x7c00);
    CHECK(keynet_fp16_from(1e300) == 0x7c00);
    CHECK(keynet_fp16_from(-INFINITY) == 0xfc00);
    CHECK(keynet_fp16_from(1e-300) == 0 && keynet_fp16_from(-0.0) == 0x8000);
    CHECK(keynet_fp16_from(5e-324) == 0);
    CHECK(keynet_bf16_from(3.4e38) == 0x7f80 && keynet_bf16_from(1e39) == 0x7f80);
}

void test_half(void) {
    every_value_of_16_bits_is_itself_again();
    values_between_are_rounded_to_the_nearest_even();
    values_out_of_range_are_infinite();
}
