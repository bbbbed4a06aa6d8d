// The C++ SDK: values, errors, and what is given back where its owner ends.
#include <keynet_testing.hpp>

#include "../check.h"

#undef CHECK_TEXT
#define CHECK_TEXT(found, expected)                                                                 \
    do {                                                                                            \
        const std::string found_ = (found);                                                         \
        if (found_ != (expected)) {                                                                 \
            std::fprintf(stderr, "%s:%d: found %s\n", __FILE__, __LINE__, found_.c_str());          \
            std::exit(1);                                                                           \
        }                                                                                           \
    } while (0)

using keynet::DataType;
using keynet::ErrorKind;
using keynet::Json;
using keynet::JsonDocument;
using keynet::Result;
using keynet::Storage;
using keynet::Tensor;
using keynet::Triton;
using keynet::UserInput;
using keynet::testing::Answers;
using keynet::testing::Environment;
using keynet::testing::Inputs;

struct Args {
    std::string image;
    double threshold = 0.5;
    std::optional<std::uint8_t> limit;
    std::vector<float> scores;
    bool draw = false;
};

template <>
constexpr auto keynet::parameters<Args> = std::tuple{
    keynet::required("image", &Args::image, "Where it is."),
    keynet::optional("threshold", &Args::threshold, "From 0 to 1."),
    keynet::optional("limit", &Args::limit),
    keynet::optional("scores", &Args::scores),
    keynet::optional("draw", &Args::draw),
};

static std::function<Result<Json>(const Args &)> function;

static Result<Json> run(const Args &args) {
    return function(args);
}

KEYNET_FUNCTION("tested", "Is tested.", run);

static Json all_of(const Args &args) {
    return Json::object({{"image", args.image},
                         {"threshold", args.threshold},
                         {"limit", args.limit},
                         {"scores", args.scores},
                         {"draw", args.draw}});
}

static std::string outcome(std::string_view parameters) {
    Environment environment;
    keynet_testing_parameters(std::string(parameters).c_str());
    auto result = environment.call();
    return result ? *result
                  : std::string(name_of(result.error().kind)) + ": " + result.error().message;
}

static void parameters_fill_the_struct() {
    function = [](const Args &args) -> Result<Json> { return all_of(args); };
    CHECK_TEXT(outcome(R"({"image": "x"})"),
               R"({"image":"x","threshold":0.5,"limit":null,"scores":[],"draw":false})");
    CHECK_TEXT(outcome(R"({"image": "\u0000상", "threshold": 1, "limit": 255, "scores": [0.5, 2],
                           "draw": true})"),
               R"({"image":"\u0000상","threshold":1.0,"limit":255,"scores":[0.5,2.0],"draw":true})");
    CHECK_TEXT(outcome(R"({"image": "x", "threshold": "0.25", "limit": "7", "draw": "TRUE",
                           "__ow_method": "get"})"),
               R"({"image":"x","threshold":0.25,"limit":7,"scores":[],"draw":true})");
}

static void mistakes_are_named() {
    auto told = [](std::string_view parameters, std::string_view expected) {
        CHECK_TEXT(outcome(parameters), expected);
    };
    told("{}", "invalid: the parameter `image` is missing: expected a string, \"Where it is.\"");
    told(R"({"image": null})",
         "invalid: the parameter `image` is missing: expected a string, \"Where it is.\"");
    told(R"({"image": "x", "limit": 256})",
         "invalid: the parameter `limit`: expected a whole number, 0 or more (8 bits), came number 256");
    told(R"({"image": "x", "limit": "-1", "__ow_method": "get"})",
         "invalid: the parameter `limit`: expected a whole number, 0 or more (8 bits), came string \"-1\"");
    told(R"({"image": "x", "scores": [1, "two"]})",
         "invalid: the parameter `scores`: expected an array in which each element is a number, came an "
         "array");
    told("[1]", "invalid: the parameters: expected an object, came an array");
}

static void the_schema_comes_from_the_struct() {
    char *schema = keynet_testing_schema();
    CHECK_TEXT(schema,
               R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object",)"
               R"("properties":{"image":{"type":"string","description":"Where it is."},)"
               R"("threshold":{"type":"number","description":"From 0 to 1.","default":0.5},)"
               R"("limit":{"type":"integer","minimum":0},)"
               R"("scores":{"type":"array","items":{"type":"number"},"default":[]},)"
               R"("draw":{"type":"boolean","default":false}},"required":["image"]})");
    std::free(schema);
}

static void errors_and_results_pass_through() {
    function = [](const Args &args) -> Result<Json> {
        return keynet::fail(ErrorKind::too_large, "100 % of " + args.image);
    };
    CHECK_TEXT(outcome(R"({"image": "%s"})"), "too-large: 100 % of %s");
    function = [](const Args &) -> Result<Json> {
        return Json::array({std::numeric_limits<double>::quiet_NaN()});
    };
    CHECK(outcome(R"({"image": "x"})").starts_with("internal: the result cannot be written as JSON"));
    function = [](const Args &) -> Result<Json> { return Json(3); };
    CHECK_TEXT(outcome(R"({"image": "x"})"),
               "internal: the function returned 3, but a result must be a JSON object or array");
    function = [](const Args &) -> Result<Json> { return Json(UserInput::all()); };
    CHECK_TEXT(outcome(R"({"image": "x", "n": [18446744073709551615, -0.0]})"),
               R"({"image":"x","n":[18446744073709551615,-0.0]})");
}

static void json_is_read_and_made() {
    auto document = JsonDocument::parse(R"({"a": [1, -2, 2.5, "x", true, null], "b": {}})");
    CHECK(document.has_value());
    auto root = document->root();
    CHECK(root["a"].size() == 6 && root.members().size() == 2 && root["a"][0].as<int>() == 1);
    CHECK(!root["a"][1].as<unsigned>() && root["a"][1].as<std::int8_t>() == -2);
    CHECK(!root["a"][2].as<int>() && root["a"][2].as<float>() == 2.5F);
    CHECK(root["a"][3].as<std::string>() == "x" && root["a"][4].as<bool>() == true);
    CHECK(root["a"][5].is_null() && !root["absent"] && !root["a"].as<std::string>());
    CHECK(!JsonDocument::parse("{").has_value());
    Json made = Json::object({{"x", std::vector{1, 2}}, {"x", Json::array()}});
    made.set("y", root["b"]);
    made.set("z", std::string_view("z\0", 2));
    CHECK_TEXT(made.text().value(), R"({"x":[],"y":{},"z":"z\u0000"})");
}

static Result<void> halve(const Inputs &inputs, Answers &answers) {
    KEYNET_TRY(auto values, inputs.get<float>("in"));
    for (auto &value : values) value /= 2;
    KEYNET_TRY(auto out, Tensor::from({static_cast<std::int64_t>(values.size())}, values));
    answers.output("out", std::move(out));
    return {};
}

static Result<Json> ask(const Args &args) {
    KEYNET_TRY(auto in, Tensor::from({2}, {3.0F, 4.0F}));
    Triton triton("halve");
    KEYNET_TRY(auto outputs, triton.predict({{"in", in}}));
    CHECK(outputs.size() == 1 && outputs.find("out") != nullptr && outputs.find("in") == nullptr);
    KEYNET_TRY(auto out, outputs.take("out"));
    CHECK(!outputs.take("out"));
    KEYNET_TRY(auto halves, out.elements<float>());
    KEYNET_TRY(auto last, out.elements<float>(1, 9));
    CHECK(halves.size() == 2 && halves[0] == 1.5F && last.size() == 1 && last[0] == 2.0F);
    auto wrong = out.elements<double>();
    CHECK(!wrong && wrong.error().message.contains("FP32 and cannot be read as FP64"));

    std::vector<keynet::Request> requests;
    requests.push_back({.inputs = {{"in", in}}});
    requests.push_back({.model = std::string("a\0b", 3)});
    requests.push_back({.model = "nobody", .timeout = std::chrono::milliseconds(5)});
    auto outcomes = triton.predict_many(requests);
    CHECK(outcomes.size() == 3 && outcomes[0].has_value());
    CHECK(outcomes[1].error().kind == ErrorKind::invalid);
    CHECK(outcomes[2].error().kind == ErrorKind::not_found);

    KEYNET_TRY(auto stream, Triton("twice").predict_stream({.inputs = {{"in", in}}}));
    int answers = 0;
    for (;;) {
        KEYNET_TRY(auto answer, stream.next());
        if (!answer) break;
        answers++;
    }
    CHECK(answers == 2);
    KEYNET_TRY(auto model, triton.metadata());
    CHECK(model.name == "halve" && model.versions == std::vector<std::string>{"1"});
    return Json::object({{"image", args.image}, {"halves", halves.span()}});
}

static void models_are_asked() {
    function = ask;
    Environment environment(Json::object({{"image", "x"}}));
    environment.model("halve", halve).model("twice", [](const Inputs &, Answers &answers) {
        answers.next_answer();
        answers.next_answer();
        return Result<void>();
    });
    auto result = environment.call();
    CHECK_TEXT(result ? *result : result.error().message,
               R"({"image":"x","halves":[1.5,2.0]})");
    CHECK(keynet_testing_open_handles() == 0);
}

static Result<Json> store(const Args &args) {
    Storage storage;
    KEYNET_TRY(auto data, storage.get(args.image));
    CHECK(data.text() == "cat");
    KEYNET_TRY(auto stored, storage.put(data.span(), {.location = "copy", .content_type = "text/plain"}));
    KEYNET_TRY(auto info, storage.head("copy"));
    CHECK(info.size == 3 && info.content_type == "text/plain" && info.etag == stored.etag);
    KEYNET_TRY(auto unchanged, storage.get_if_changed("copy", *stored.etag));
    CHECK(!unchanged);
    KEYNET_TRY(auto object, storage.open("copy"));
    CHECK(object.size() == 3 && object.content_type() == "text/plain");
    KEYNET_TRY(auto part, object.read(1, 9));
    CHECK(part.text() == "at");
    KEYNET_TRY(auto tensor, object.to_tensor(DataType::uint8, {3}));
    KEYNET_CHECK(storage.put_tensor(tensor, "tensor"));
    {
        KEYNET_TRY(auto dropped, storage.upload("dropped"));
        KEYNET_CHECK(dropped.write("x"));
    }
    KEYNET_TRY(auto upload, storage.upload("large"));
    KEYNET_CHECK(upload.write("one "));
    KEYNET_CHECK(upload.write("two"));
    KEYNET_CHECK(upload.finish());
    CHECK(!upload.finish());
    KEYNET_TRY(auto all, storage.list_all(""));
    KEYNET_TRY(auto url, storage.presign("large", std::chrono::seconds(9)));
    KEYNET_TRY(auto grant, storage.presign_put());
    CHECK(url.ends_with("large") && !grant.location.empty());
    KEYNET_CHECK(storage.remove("tensor"));
    auto missing = storage.get("tensor");
    CHECK(!missing && missing.error().kind == ErrorKind::not_found);
    auto zero = storage.get(std::string("a\0b", 3));
    CHECK(!zero && zero.error().message == "the location has the character U+0000");
    return Json::object({{"objects", all.size()}});
}

static void objects_are_stored() {
    function = store;
    Environment environment(Json::object({{"image", "cat"}}));
    environment.object("cat", "cat");
    auto result = environment.call();
    CHECK_TEXT(result ? *result : result.error().message, R"({"objects":4})");
    CHECK(environment.stored("large") == "one two" && !environment.stored("dropped"));
    CHECK(keynet_testing_open_handles() == 0);
}

static void tensors_are_of_every_type() {
    keynet_testing_reset();
    auto flags = Tensor::from({2}, std::vector<bool>{true, false});
    CHECK(flags->elements<bool>()->to_vector() == (std::vector<bool>{true, false}));
    auto half = Tensor::from({1}, {keynet::Fp16(0.1)});
    CHECK(double(half->elements<keynet::Fp16>().value()[0]) == 0.0999755859375);
    CHECK(half->data_type() == DataType::fp16 && half->shape() == keynet::Shape{1});
    auto texts = Tensor::from_texts({2}, std::vector<std::string>{"", std::string("a\0b", 3)});
    CHECK(texts->texts().value()[1].size() == 3 && texts->data_type() == DataType::bytes);
    auto wrong = Tensor::from({3}, {1});
    CHECK(!wrong && wrong.error().kind == ErrorKind::invalid);
    Tensor moved = std::move(*flags);
    moved = std::move(*half);
    CHECK(moved.data_type() == DataType::fp16);
}

int main() {
    parameters_fill_the_struct();
    mistakes_are_named();
    the_schema_comes_from_the_struct();
    errors_and_results_pass_through();
    json_is_read_and_made();
    models_are_asked();
    objects_are_stored();
    tensors_are_of_every_type();
    CHECK(keynet_testing_open_handles() == 0);
    keynet_testing_reset();
    std::puts("C++: all passed");
}
