/* The little that the tests need: a check that says where it failed, and texts that are compared. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                            \
    do {                                                                                            \
        if (!(condition)) {                                                                         \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                         \
            exit(1);                                                                                \
        }                                                                                           \
    } while (0)

#define CHECK_TEXT(found, expected)                                                                 \
    do {                                                                                            \
        const char *found_ = (found), *expected_ = (expected);                                      \
        if (found_ == NULL || strcmp(found_, expected_) != 0) {                                     \
            fprintf(stderr, "%s:%d: expected %s\n  found %s\n", __FILE__, __LINE__, expected_,      \
                    found_ != NULL ? found_ : "nothing");                                           \
            exit(1);                                                                                \
        }                                                                                           \
    } while (0)

#endif
