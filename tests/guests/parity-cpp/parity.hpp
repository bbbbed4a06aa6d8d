// The parts.
#pragma once

#include <keynet.hpp>

// errors.cpp
keynet::Result<keynet::Json> raise();
keynet::Result<keynet::Json> catch_call();

// tensors.cpp
keynet::Result<keynet::Json> through();
keynet::Result<keynet::Json> big();

// machine.cpp
keynet::Result<keynet::Json> fresh();
keynet::Result<keynet::Json> files();
keynet::Result<keynet::Json> allocate();
keynet::Result<keynet::Json> compute();
keynet::Result<keynet::Json> sleep_long();
keynet::Result<keynet::Json> recurse();
keynet::Result<keynet::Json> exit_early();
