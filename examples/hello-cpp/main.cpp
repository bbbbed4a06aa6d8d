// hello-cpp: an inference action.
#include <cstdio>
#include <keynet.hpp>

// What callers send.
struct Args {
    std::string name;
    std::string word = "Hello";
};

template <>
constexpr auto keynet::parameters<Args> = std::tuple{
    keynet::required("name", &Args::name, "Who is greeted."),
    keynet::optional("word", &Args::word, "The word that greets."),
};

static keynet::Result<keynet::Json> greet(const Args &args) {
    if (args.name.empty()) return keynet::invalid("the parameter `name` is empty");
    std::printf("greeting %s\n", args.name.c_str());
    return keynet::Json::object({{"greeting", args.word + ", " + args.name + "!"}});
}

KEYNET_FUNCTION("hello-cpp", "Greets a person by name.", greet);
