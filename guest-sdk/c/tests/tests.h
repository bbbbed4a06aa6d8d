#ifndef TESTS_H
#define TESTS_H

#include <keynet_testing.h>

#include "check.h"

/* Runs a function with parameters; NULL where it fails. The result is given back with `free`. */
char *call(bool (*called)(yyjson_mut_doc *, keynet_error *), const char *parameters,
           keynet_error *error);

void test_errors(void);
void test_half(void);
void test_input(void);
void test_function(void);
void test_tensors(void);
void test_models(void);
void test_storage(void);

#endif
