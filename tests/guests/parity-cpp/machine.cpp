// What the sandbox gives and takes: time, memory, randomness, files.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>

#include <unistd.h>

#include "parity.hpp"

using keynet::Json;
using keynet::Result;

// What must be another in each activation, and the clock.
Result<Json> fresh() {
    std::random_device device;
    auto now = std::chrono::system_clock::now().time_since_epoch();
    return Json::object({
        {"different",
         Json::object({{"random_device", (std::uint64_t{device()} << 32) | device()},
                       {"nanoseconds", std::chrono::nanoseconds(now).count()}})},
        {"seconds", std::chrono::duration_cast<std::chrono::seconds>(now).count()},
    });
}

// libc++ for WASI has no <fstream>: there are no files to open.
static bool opens(const char *path, const char *mode) {
    std::unique_ptr<std::FILE, decltype(&std::fclose)> file(std::fopen(path, mode), &std::fclose);
    return file != nullptr;
}

Result<Json> files() {
    bool read = opens("/etc/passwd", "rb");
    bool written = opens("/tmp/parity", "wb") || opens("parity", "wb");
    return Json::object({{"read", read}, {"written", written}});
}

Result<Json> allocate() {
    std::vector<std::vector<char>> held;
    for (;;) held.emplace_back(1 << 20, 'x');
}

Result<Json> compute() {
    volatile std::uint64_t number = 0;
    for (;;) number = number + 1;
}

Result<Json> sleep_long() {
    std::puts("sleeping");
    sleep(600);
    return Json::object();
}

// What is read after the call keeps it from becoming a loop.
static std::uint64_t deeper(std::uint64_t depth) {
    volatile std::uint64_t kept = depth;
    std::uint64_t below = depth < std::numeric_limits<std::uint64_t>::max() ? deeper(depth + 1) : 0;
    return below + kept;
}

Result<Json> recurse() {
    return Json::object({{"depth", deeper(0)}});
}

Result<Json> exit_early() {
    std::exit(3);
}
