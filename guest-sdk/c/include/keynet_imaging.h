/* Pictures: from a file to a model's input, and from detections to a file.
 *
 * They are the work of a library that `keynet-inference build` puts into an action which uses it; it runs in
 * the sandbox. In tests on the machine that builds, each call fails with KEYNET_ERROR_UNAVAILABLE.
 *
 * The conventions are those of keynet.h. Coordinates are pixels from the left and the top edge. A file that is
 * damaged or no picture is KEYNET_ERROR_INVALID, one with too many pixels KEYNET_ERROR_TOO_LARGE. */
#ifndef KEYNET_IMAGING_H
#define KEYNET_IMAGING_H

#include "keynet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A picture in the library's memory. `keynet_picture_drop` gives it back. */
typedef struct keynet_picture {
    int32_t handle;
} keynet_picture;

void keynet_picture_drop(keynet_picture *picture);

typedef struct keynet_color {
    uint8_t red, green, blue;
} keynet_color;

/* A rectangle by its edges; what lies outside of the picture is clipped. */
typedef struct keynet_bounds {
    double left, top, right, bottom;
} keynet_bounds;

/* How the value of a pixel is made of several: as OpenCV's INTER_AREA, and as Pillow's filters. */
typedef enum keynet_filter {
    KEYNET_FILTER_NEAREST,
    KEYNET_FILTER_AREA,
    KEYNET_FILTER_BILINEAR,
    KEYNET_FILTER_BICUBIC,
    KEYNET_FILTER_LANCZOS,
} keynet_filter;

/* The order of a tensor's dimensions: channels, rows, columns, or rows, columns, channels. */
typedef enum keynet_layout { KEYNET_LAYOUT_CHW, KEYNET_LAYOUT_HWC } keynet_layout;

typedef enum keynet_channels {
    KEYNET_CHANNELS_RGB,
    KEYNET_CHANNELS_BGR,
    KEYNET_CHANNELS_GRAY,
} keynet_channels;

/* From a byte to a value: `(byte / divisor - mean) / std`. */
typedef struct keynet_normalization {
    float divisor;
    float mean[3];
    float std[3];
} keynet_normalization;

/* Values from 0 to 1. */
extern const keynet_normalization KEYNET_NORMALIZATION_UNIT;

/* Reads a PNG or JPEG file, turned upright. */
bool keynet_picture_decode(const void *file, size_t size, keynet_picture *picture,
                           keynet_error *error);
/* A picture of 3 bytes for each pixel, row by row. */
bool keynet_picture_from_rgb(uint32_t width, uint32_t height, const void *rgb, size_t size,
                             keynet_picture *picture, keynet_error *error);
uint32_t keynet_picture_width(keynet_picture picture);
uint32_t keynet_picture_height(keynet_picture picture);

bool keynet_picture_crop(keynet_picture picture, uint32_t left, uint32_t top, uint32_t width,
                         uint32_t height, keynet_picture *cropped, keynet_error *error);
bool keynet_picture_resize(keynet_picture picture, uint32_t width, uint32_t height,
                           keynet_filter filter, keynet_picture *resized, keynet_error *error);

/* A picture fitted into another size with a border, and the way back: (x, y) in it is
 * ((x - left) / scale, (y - top) / scale) in the original. */
typedef struct keynet_letter_boxed {
    keynet_picture picture;
    double scale;
    uint32_t left, top;
} keynet_letter_boxed;

bool keynet_picture_letter_box(keynet_picture picture, uint32_t width, uint32_t height,
                               keynet_filter filter, keynet_color border, keynet_letter_boxed *boxed,
                               keynet_error *error);

/* The data of a tensor of UINT8, FP16 or FP32. UINT8 has the bytes as they are, without a normalization. */
bool keynet_picture_data(keynet_picture picture, keynet_data_type data_type, keynet_layout layout,
                         keynet_channels channels, const keynet_normalization *normalization,
                         keynet_bytes *data, keynet_error *error);

/* Draws an outline; a width of 0 grows with the picture. */
bool keynet_picture_draw_box(keynet_picture picture, keynet_bounds bounds, keynet_color color,
                             uint32_t line_width, keynet_error *error);
/* Writes the label of a box whose corner is at `left`, `top`; a size of 0 grows with the picture. */
bool keynet_picture_draw_label(keynet_picture picture, const char *text, double left, double top,
                               keynet_color color, double size, keynet_error *error);
bool keynet_picture_draw_text(keynet_picture picture, const char *text, double left, double top,
                              keynet_color color, double size, keynet_error *error);
/* Takes the letters of further text from a TrueType or OpenType font; until then there are Latin ones. */
bool keynet_picture_set_font(keynet_picture picture, const void *file, size_t size,
                             keynet_error *error);

bool keynet_picture_encode_png(keynet_picture picture, keynet_bytes *file, keynet_error *error);
/* Quality from 1 to 100. */
bool keynet_picture_encode_jpeg(keynet_picture picture, uint8_t quality, keynet_bytes *file,
                                keynet_error *error);

/* One of ten colors apart from each other, for the class of a detector. */
keynet_color keynet_class_color(uint32_t class_number);

#ifdef __cplusplus
}
#endif
#endif
