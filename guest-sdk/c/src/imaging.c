/* Pictures. */
#include <stdlib.h>

#include "imaging/imaging.h"
#include "internal.h"
#include "keynet_imaging.h"

typedef keynet_imaging_pictures_error_t imaging_error;

const keynet_normalization KEYNET_NORMALIZATION_UNIT = {255, {0, 0, 0}, {1, 1, 1}};

static keynet_imaging_pictures_borrow_picture_t borrow(keynet_picture picture) {
    return (keynet_imaging_pictures_borrow_picture_t){picture.handle};
}

static keynet_imaging_pictures_color_t color_of(keynet_color color) {
    return (keynet_imaging_pictures_color_t){color.red, color.green, color.blue};
}

/* Sets the error from the library's. */
static bool fail(keynet_error *error, imaging_error failure) {
    char *message = keynet_text_from_host(
        (action_string_t){failure.message.ptr, failure.message.len});
    keynet_error_kind kind = failure.kind == KEYNET_IMAGING_PICTURES_ERROR_KIND_TOO_LARGE
                                 ? KEYNET_ERROR_TOO_LARGE
                                 : KEYNET_ERROR_INVALID;
#ifndef __wasm__
    kind = KEYNET_ERROR_UNAVAILABLE;
#endif
    keynet_fail(error, kind, "%s", message);
    free(message);
    return false;
}

static keynet_bytes bytes_of(imaging_list_u8_t list) {
    return keynet_bytes_from_host((action_list_u8_t){list.ptr, list.len});
}

static imaging_list_u8_t lent(const void *data, size_t size) {
    return (imaging_list_u8_t){(uint8_t *)data, size};
}

void keynet_picture_drop(keynet_picture *picture) {
    if (picture->handle != 0) {
        keynet_imaging_pictures_picture_drop_own(
            (keynet_imaging_pictures_own_picture_t){picture->handle});
    }
    picture->handle = 0;
}

bool keynet_picture_decode(const void *file, size_t size, keynet_picture *picture,
                           keynet_error *error) {
    imaging_list_u8_t bytes = lent(file, size);
    keynet_imaging_pictures_own_picture_t made;
    imaging_error failure;
    if (!keynet_imaging_pictures_static_picture_decode(&bytes, &made, &failure)) {
        return fail(error, failure);
    }
    picture->handle = made.__handle;
    return true;
}

bool keynet_picture_from_rgb(uint32_t width, uint32_t height, const void *rgb, size_t size,
                             keynet_picture *picture, keynet_error *error) {
    imaging_list_u8_t bytes = lent(rgb, size);
    keynet_imaging_pictures_own_picture_t made;
    imaging_error failure;
    if (!keynet_imaging_pictures_static_picture_from_rgb(width, height, &bytes, &made, &failure)) {
        return fail(error, failure);
    }
    picture->handle = made.__handle;
    return true;
}

uint32_t keynet_picture_width(keynet_picture picture) {
    return keynet_imaging_pictures_method_picture_width(borrow(picture));
}

uint32_t keynet_picture_height(keynet_picture picture) {
    return keynet_imaging_pictures_method_picture_height(borrow(picture));
}

bool keynet_picture_crop(keynet_picture picture, uint32_t left, uint32_t top, uint32_t width,
                         uint32_t height, keynet_picture *cropped, keynet_error *error) {
    keynet_imaging_pictures_own_picture_t made;
    imaging_error failure;
    if (!keynet_imaging_pictures_method_picture_crop(borrow(picture), left, top, width, height, &made,
                                                     &failure)) {
        return fail(error, failure);
    }
    cropped->handle = made.__handle;
    return true;
}

bool keynet_picture_resize(keynet_picture picture, uint32_t width, uint32_t height,
                           keynet_filter filter, keynet_picture *resized, keynet_error *error) {
    keynet_imaging_pictures_own_picture_t made;
    imaging_error failure;
    if (!keynet_imaging_pictures_method_picture_resize(borrow(picture), width, height,
                                                       (keynet_imaging_pictures_filter_t)filter,
                                                       &made, &failure)) {
        return fail(error, failure);
    }
    resized->handle = made.__handle;
    return true;
}

bool keynet_picture_letter_box(keynet_picture picture, uint32_t width, uint32_t height,
                               keynet_filter filter, keynet_color border, keynet_letter_boxed *boxed,
                               keynet_error *error) {
    keynet_imaging_pictures_color_t color = color_of(border);
    keynet_imaging_pictures_letter_boxed_t made;
    imaging_error failure;
    if (!keynet_imaging_pictures_method_picture_letter_box(borrow(picture), width, height,
                                                           (keynet_imaging_pictures_filter_t)filter,
                                                           &color, &made, &failure)) {
        return fail(error, failure);
    }
    *boxed = (keynet_letter_boxed){{made.picture.__handle}, made.scale, made.left, made.top};
    return true;
}

bool keynet_picture_data(keynet_picture picture, keynet_data_type data_type, keynet_layout layout,
                         keynet_channels channels, const keynet_normalization *normalization,
                         keynet_bytes *data, keynet_error *error) {
    const keynet_normalization *given =
        normalization != NULL ? normalization : &KEYNET_NORMALIZATION_UNIT;
    keynet_imaging_pictures_layout_t order = (keynet_imaging_pictures_layout_t)layout;
    keynet_imaging_pictures_channels_t which = (keynet_imaging_pictures_channels_t)channels;
    keynet_imaging_pictures_normalization_t values = {
        given->divisor,
        {given->mean[0], given->mean[1], given->mean[2]},
        {given->std[0], given->std[1], given->std[2]},
    };
    imaging_list_u8_t list;
    imaging_error failure;
    bool is_done = true;
    switch (data_type) {
    case KEYNET_UINT8:
        keynet_imaging_pictures_method_picture_to_uint8(borrow(picture), order, which, &list);
        break;
    case KEYNET_FP16:
        is_done = keynet_imaging_pictures_method_picture_to_fp16(borrow(picture), order, which,
                                                                 &values, &list, &failure);
        break;
    case KEYNET_FP32:
        is_done = keynet_imaging_pictures_method_picture_to_fp32(borrow(picture), order, which,
                                                                 &values, &list, &failure);
        break;
    default:
        return keynet_fail(error, KEYNET_ERROR_INVALID,
                           "a picture becomes UINT8, FP16 or FP32, not %s",
                           keynet_data_type_name(data_type));
    }
    if (!is_done) return fail(error, failure);
    *data = bytes_of(list);
    return true;
}

bool keynet_picture_draw_box(keynet_picture picture, keynet_bounds bounds, keynet_color color,
                             uint32_t line_width, keynet_error *error) {
    keynet_imaging_pictures_bounds_t edges = {bounds.left, bounds.top, bounds.right, bounds.bottom};
    keynet_imaging_pictures_color_t drawn = color_of(color);
    imaging_error failure;
    return keynet_imaging_pictures_method_picture_draw_box(
               borrow(picture), &edges, &drawn, line_width > 0 ? &line_width : NULL, &failure) ||
           fail(error, failure);
}

bool keynet_picture_draw_label(keynet_picture picture, const char *text, double left, double top,
                               keynet_color color, double size, keynet_error *error) {
    if (!keynet_check_text("the label", text, error)) return false;
    action_string_t bytes = keynet_text_to_host(text);
    imaging_string_t label = {bytes.ptr, bytes.len};
    keynet_imaging_pictures_color_t drawn = color_of(color);
    imaging_error failure;
    return keynet_imaging_pictures_method_picture_draw_label(borrow(picture), &label, left, top,
                                                             &drawn, size > 0 ? &size : NULL,
                                                             &failure) ||
           fail(error, failure);
}

bool keynet_picture_draw_text(keynet_picture picture, const char *text, double left, double top,
                              keynet_color color, double size, keynet_error *error) {
    if (!keynet_check_text("the text", text, error)) return false;
    action_string_t bytes = keynet_text_to_host(text);
    imaging_string_t line = {bytes.ptr, bytes.len};
    keynet_imaging_pictures_color_t drawn = color_of(color);
    imaging_error failure;
    return keynet_imaging_pictures_method_picture_draw_text(borrow(picture), &line, left, top, &drawn,
                                                            size > 0 ? &size : NULL, &failure) ||
           fail(error, failure);
}

bool keynet_picture_set_font(keynet_picture picture, const void *file, size_t size,
                             keynet_error *error) {
    imaging_list_u8_t bytes = lent(file, size);
    imaging_error failure;
    return keynet_imaging_pictures_method_picture_set_font(borrow(picture), &bytes, &failure) ||
           fail(error, failure);
}

bool keynet_picture_encode_png(keynet_picture picture, keynet_bytes *file, keynet_error *error) {
    imaging_list_u8_t list;
    imaging_error failure;
    if (!keynet_imaging_pictures_method_picture_encode_png(borrow(picture), &list, &failure)) {
        return fail(error, failure);
    }
    *file = bytes_of(list);
    return true;
}

bool keynet_picture_encode_jpeg(keynet_picture picture, uint8_t quality, keynet_bytes *file,
                                keynet_error *error) {
    imaging_list_u8_t list;
    imaging_error failure;
    if (!keynet_imaging_pictures_method_picture_encode_jpeg(borrow(picture), quality, &list,
                                                            &failure)) {
        return fail(error, failure);
    }
    *file = bytes_of(list);
    return true;
}

keynet_color keynet_class_color(uint32_t class_number) {
    keynet_imaging_pictures_color_t color;
    keynet_imaging_pictures_class_color(class_number, &color);
    return (keynet_color){color.red, color.green, color.blue};
}
