/* keynet-inference: inference actions in C++23, without exceptions.
 *
 *     #include <keynet.hpp>
 *
 *     struct Args {
 *         std::string name;
 *         double threshold = 0.5;
 *     };
 *
 *     template <>
 *     constexpr auto keynet::parameters<Args> = std::tuple{
 *         keynet::required("name", &Args::name, "Whom to greet."),
 *         keynet::optional("threshold", &Args::threshold, "From 0 to 1."),
 *     };
 *
 *     static keynet::Result<keynet::Json> greet(const Args &args) {
 *         return keynet::Json::object({{"hello", args.name}});
 *     }
 *
 *     KEYNET_FUNCTION("hello", "Greets.", greet);
 *
 * What can fail returns a `Result`, a `std::expected`: `KEYNET_TRY(auto data, storage.get(location));` goes on
 * with the value, or returns the error. Tensors, objects, uploads and streams are given back where their
 * owner ends. */
#ifndef KEYNET_HPP
#define KEYNET_HPP

#include "keynet/error.hpp"    // IWYU pragma: export
#include "keynet/function.hpp" // IWYU pragma: export
#include "keynet/input.hpp"    // IWYU pragma: export
#include "keynet/json.hpp"     // IWYU pragma: export
#include "keynet/storage.hpp"  // IWYU pragma: export
#include "keynet/tensor.hpp"   // IWYU pragma: export
#include "keynet/triton.hpp"   // IWYU pragma: export

#endif
