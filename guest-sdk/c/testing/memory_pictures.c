/* The host in memory: pictures. The library that works on them is WebAssembly, and there is none of it here:
 * each call is refused. */
#include "../bindings/imaging/imaging.h"
#include "memory_host.h"

static bool refuse(keynet_imaging_pictures_error_t *failure) {
    action_string_t message = memory_to_action(
        "pictures are the work of a library in the component that `keynet-inference build` makes: try this "
        "by `keynet-inference run`");
    failure->kind = KEYNET_IMAGING_PICTURES_ERROR_KIND_UNSUPPORTED;
    failure->message = (imaging_string_t){message.ptr, message.len};
    return false;
}

#define BORROW keynet_imaging_pictures_borrow_picture_t
#define OWN keynet_imaging_pictures_own_picture_t
#define ERROR keynet_imaging_pictures_error_t

#define REFUSES(name, ...)                                                                          \
    bool keynet_imaging_pictures_##name(__VA_ARGS__, ERROR *failure) {                              \
        return refuse(failure);                                                                     \
    }

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif

REFUSES(static_picture_decode, imaging_list_u8_t *file, OWN *made)
REFUSES(static_picture_from_rgb, uint32_t width, uint32_t height, imaging_list_u8_t *rgb, OWN *made)
REFUSES(method_picture_crop, BORROW self, uint32_t left, uint32_t top, uint32_t width,
        uint32_t height, OWN *made)
REFUSES(method_picture_resize, BORROW self, uint32_t width, uint32_t height,
        keynet_imaging_pictures_filter_t filter, OWN *made)
REFUSES(method_picture_letter_box, BORROW self, uint32_t width, uint32_t height,
        keynet_imaging_pictures_filter_t filter, keynet_imaging_pictures_color_t *color,
        keynet_imaging_pictures_letter_boxed_t *made)
REFUSES(method_picture_to_fp16, BORROW self, keynet_imaging_pictures_layout_t layout,
        keynet_imaging_pictures_channels_t channels,
        keynet_imaging_pictures_normalization_t *normalization, imaging_list_u8_t *data)
REFUSES(method_picture_to_fp32, BORROW self, keynet_imaging_pictures_layout_t layout,
        keynet_imaging_pictures_channels_t channels,
        keynet_imaging_pictures_normalization_t *normalization, imaging_list_u8_t *data)
REFUSES(method_picture_draw_box, BORROW self, keynet_imaging_pictures_bounds_t *bounds,
        keynet_imaging_pictures_color_t *color, uint32_t *line)
REFUSES(method_picture_draw_label, BORROW self, imaging_string_t *text, double left, double top,
        keynet_imaging_pictures_color_t *color, double *size)
REFUSES(method_picture_draw_text, BORROW self, imaging_string_t *text, double left, double top,
        keynet_imaging_pictures_color_t *color, double *size)
REFUSES(method_picture_set_font, BORROW self, imaging_list_u8_t *file)
REFUSES(method_picture_encode_png, BORROW self, imaging_list_u8_t *file)
REFUSES(method_picture_encode_jpeg, BORROW self, uint8_t quality, imaging_list_u8_t *file)

/* No picture is ever made, so these are not reached. */
uint32_t keynet_imaging_pictures_method_picture_width(BORROW self) {
    return 0;
}

uint32_t keynet_imaging_pictures_method_picture_height(BORROW self) {
    return 0;
}

void keynet_imaging_pictures_method_picture_to_uint8(BORROW self,
                                                     keynet_imaging_pictures_layout_t layout,
                                                     keynet_imaging_pictures_channels_t channels,
                                                     imaging_list_u8_t *data) {
    *data = (imaging_list_u8_t){(uint8_t *)8, 0};
}

void keynet_imaging_pictures_picture_drop_own(OWN handle) {}

void keynet_imaging_pictures_class_color(uint32_t number, keynet_imaging_pictures_color_t *color) {
    *color = (keynet_imaging_pictures_color_t){0, 0, 0};
}
