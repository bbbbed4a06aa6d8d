/* The parts. Each sets the result and returns true, or sets the error and returns false. */
#ifndef PARITY_H
#define PARITY_H

#include <keynet.h>

/* errors.c */
bool raise_kind(yyjson_mut_doc *result, keynet_error *error);
bool catch_call(yyjson_mut_doc *result, keynet_error *error);

/* tensors.c */
bool through(yyjson_mut_doc *result, keynet_error *error);
bool big(yyjson_mut_doc *result, keynet_error *error);

/* machine.c */
bool fresh(yyjson_mut_doc *result, keynet_error *error);
bool files(yyjson_mut_doc *result, keynet_error *error);
bool allocate(yyjson_mut_doc *result, keynet_error *error);
bool compute(yyjson_mut_doc *result, keynet_error *error);
bool sleep_long(yyjson_mut_doc *result, keynet_error *error);
bool recurse(yyjson_mut_doc *result, keynet_error *error);
bool exit_early(yyjson_mut_doc *result, keynet_error *error);

#endif
