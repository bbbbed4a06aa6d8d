/* Texts and lists, from and to the host. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

void keynet_free_list(void *list, size_t length) {
    /* A list without elements points nowhere: the canonical ABI gives it its alignment as address. */
    if (length > 0) free(list);
}

char *keynet_text_from_host(action_string_t text) {
    char *copy = keynet_allocate(text.len + 1);
    if (text.len > 0) memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    keynet_free_list(text.ptr, text.len);
    return copy;
}

/* Returns the size of the character at `text`, which ends with a zero byte; 0 if it is not UTF-8. */
static size_t character(const char *text) {
    const unsigned char *byte = (const unsigned char *)text;
    if (byte[0] < 0x80) return 1;
    size_t size = byte[0] >= 0xf0 ? 4 : byte[0] >= 0xe0 ? 3 : 2;
    unsigned least = size == 2 ? 0x80 : size == 3 ? 0x800 : 0x10000;
    unsigned code = byte[0] & (0x7fU >> size);
    if (byte[0] < 0xc2 || byte[0] > 0xf4) return 0;
    for (size_t at = 1; at < size; at++) {
        if ((byte[at] & 0xc0) != 0x80) return 0;
        code = (code << 6) | (byte[at] & 0x3fU);
    }
    bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
    return code < least || code > 0x10ffff || is_surrogate ? 0 : size;
}

bool keynet_check_text(const char *what, const char *text, keynet_error *error) {
    const char *at = text;
    while (at != NULL && *at != '\0') {
        size_t size = character(at);
        if (size == 0) {
            return keynet_fail(error, KEYNET_ERROR_INVALID, "%s is not UTF-8 at byte %zu", what,
                               (size_t)(at - text));
        }
        at += size;
    }
    return true;
}

void keynet_make_utf8(char *text) {
    while (*text != '\0') {
        size_t size = character(text);
        if (size == 0) *text = '?';
        text += size > 0 ? size : 1;
    }
}

size_t keynet_end_of_characters(const char *text, size_t size, size_t most) {
    if (size <= most) return size;
    while (most > 0 && ((unsigned char)text[most] & 0xc0) == 0x80) most--;
    return most;
}

action_string_t keynet_text_to_host(const char *text) {
    return (action_string_t){(uint8_t *)text, text == NULL ? 0 : strlen(text)};
}

action_string_t *keynet_option_to_host(const char *text, action_string_t *room) {
    if (text == NULL) return NULL;
    *room = keynet_text_to_host(text);
    return room;
}

char *keynet_option_from_host(action_option_string_t option) {
    return option.is_some ? keynet_text_from_host(option.val) : NULL;
}

keynet_bytes keynet_bytes_from_host(action_list_u8_t list) {
    return list.len > 0 ? (keynet_bytes){list.ptr, list.len} : (keynet_bytes){0};
}

void keynet_bytes_free(keynet_bytes *bytes) {
    free(bytes->data);
    *bytes = (keynet_bytes){0};
}
