// Errors: raised by the action, and those of the host, caught by kind.
#include <cstdio>
#include <map>

#include "parity.hpp"

using keynet::ErrorKind;
using keynet::Json;
using keynet::Result;
using keynet::Storage;
using keynet::Tensor;
using keynet::Triton;
using keynet::UserInput;

static const std::map<std::string, ErrorKind> KINDS = {
    {"invalid", ErrorKind::invalid},
    {"not-found", ErrorKind::not_found},
    {"denied", ErrorKind::denied},
    {"precondition-failed", ErrorKind::precondition_failed},
    {"too-large", ErrorKind::too_large},
    {"timeout", ErrorKind::timeout},
    {"unavailable", ErrorKind::unavailable},
    {"internal", ErrorKind::internal},
};

Result<Json> raise() {
    KEYNET_TRY(auto kind, UserInput::get<std::string>("kind"));
    KEYNET_TRY(auto message, UserInput::get<std::string>("message"));
    return keynet::fail(KINDS.at(kind), message);
}

static Result<void> predict(const std::string &model, const std::string &input = "in",
                            std::optional<std::chrono::milliseconds> timeout = {}) {
    KEYNET_TRY(auto two, Tensor::from({1, 2}, {1.5F, -2.0F}));
    KEYNET_CHECK(Triton().predict({.model = model, .inputs = {{input, two}}, .timeout = timeout}));
    return {};
}

static Result<void> get(const std::string &location) {
    KEYNET_CHECK(Storage().get(location));
    return {};
}

static Result<void> write_twice() {
    keynet::PutOptions once{.location = "parity/once", .if_absent = true};
    static_cast<void>(Storage().put("1", once));
    KEYNET_CHECK(Storage().put("2", once));
    return {};
}

static Result<void> read_too_much() {
    KEYNET_CHECK(Storage().put(std::string(4096, '\0'), {.location = "parity/large"}));
    return get("parity/large");
}

static Result<void> call(const std::string &name) {
    if (name == "missing-object") return get("parity/missing");
    if (name == "bad-location") return get("ftp://host/key");
    if (name == "other-bucket") return get("s3://parity-elsewhere/key");
    if (name == "write-twice") return write_twice();
    if (name == "read-too-much") return read_too_much();
    if (name == "missing-model") return predict("nobody");
    if (name == "wrong-input") return predict("identity_fp32", "nothing");
    if (name == "no-registry") return predict("models:/identity_fp32@best");
    if (name == "no-time") return predict("identity_fp32", "in", std::chrono::milliseconds(0));
    return keynet::internal("there is no call `" + name + "`");
}

// Makes a call that fails, and answers with how it was caught.
Result<Json> catch_call() {
    KEYNET_TRY(auto name, UserInput::get<std::string>("call"));
    auto outcome = call(name);
    if (outcome) return keynet::internal("the call did not fail");
    std::puts(outcome.error().message.c_str());
    for (const auto &[name, kind] : KINDS) {
        if (kind == outcome.error().kind) return Json::object({{"caught", name}});
    }
    return keynet::internal("the kind is none");
}
