// What every language's SDK must do alike, in C++: `do` names the part. tests/parity/README.md says what each
// part answers.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <map>

#include "parity.hpp"

using keynet::Json;
using keynet::JsonView;
using keynet::Result;
using keynet::UserInput;

struct Args {
    std::string part;
    std::optional<std::int64_t> whole;
    std::optional<double> fraction;
    std::optional<bool> flag;
    std::optional<std::string> text;
};

template <>
constexpr auto keynet::parameters<Args> = std::tuple{
    keynet::required("do", &Args::part, "The part."),
    keynet::optional("whole", &Args::whole),
    keynet::optional("fraction", &Args::fraction),
    keynet::optional("flag", &Args::flag),
    keynet::optional("text", &Args::text),
};

static Json kinds() {
    auto kind = [](JsonView value) {
        return value.is_null()     ? "null"
               : value.is_bool()   ? "boolean"
               : value.is_number() ? "number"
               : value.is_string() ? "string"
               : value.is_array()  ? "array"
                                   : "object";
    };
    Json found = Json::object();
    for (auto [name, value] : UserInput::all().members()) {
        if (name != "do") found.set(std::string(name), kind(value));
    }
    return found;
}

static Result<Json> defaults() {
    KEYNET_TRY(auto sent, UserInput::get_or("sent", 0.5));
    KEYNET_TRY(auto missing, UserInput::get_or("missing", 0.5));
    KEYNET_TRY(auto flag, UserInput::get_or("flag", false));
    KEYNET_TRY(auto text, UserInput::get_or<std::string>("text", "none"));
    return Json::object({{"sent", sent}, {"missing", missing}, {"flag", flag}, {"text", text}});
}

static Result<Json> crash() {
    KEYNET_PANIC("the box is empty: %s", "상자"); // crashes here
}

static Json log_everything() {
    std::cout << "to standard output\n";
    std::cerr << "to standard error\n";
    std::cout << "한국어, ü and \U0001f600" << std::endl;
    keynet_log_debug("finely");
    keynet_log_info("informed");
    keynet_log_warning("warned");
    keynet_log_error("wrong");
    std::cout << "without an end";
    return Json::object();
}

static Result<Json> environment() {
    KEYNET_TRY(auto names, UserInput::get<std::vector<std::string>>("names"));
    Json found = Json::object();
    for (const auto &name : names) {
        const char *value = std::getenv(name.c_str());
        found.set(name, value != nullptr ? Json(value) : Json());
    }
    return found;
}

static Json count_runs() {
    static int runs = 0;
    return Json::object({{"runs", ++runs}});
}

static Result<Json> run(const Args &args) {
    static const std::map<std::string, Result<Json> (*)()> PARTS = {
        {"echo", [] { return Result<Json>(UserInput::all()); }},
        {"kinds", [] { return Result<Json>(kinds()); }},
        {"defaults", defaults},
        {"array",
         [] { return Result<Json>(Json::array({1, "two", Json::object({{"three", 3}})})); }},
        {"not-json",
         [] { return Result<Json>(Json::array({std::numeric_limits<double>::infinity()})); }},
        {"crash", crash},
        {"raise", raise},
        {"catch", catch_call},
        {"tensor", through},
        {"big-tensor", big},
        {"log", [] { return Result<Json>(log_everything()); }},
        {"environment", environment},
        {"fresh", fresh},
        {"runs", [] { return Result<Json>(count_runs()); }},
        {"files", files},
        {"allocate", allocate},
        {"compute", compute},
        {"sleep", sleep_long},
        {"recurse", recurse},
        {"exit", exit_early},
    };
    if (args.part == "typed") {
        return Json::object({{"whole", args.whole},
                             {"fraction", args.fraction},
                             {"flag", args.flag},
                             {"text", args.text}});
    }
    auto part = PARTS.find(args.part);
    if (part == PARTS.end()) return keynet::invalid("there is no part `" + args.part + "`");
    return part->second();
}

KEYNET_FUNCTION("parity-cpp", "Does what every SDK must do alike.", run);
