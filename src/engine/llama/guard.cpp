// Calls a function that may throw. Back ends for GPUs throw when a device is lost or has no memory left in the middle of a
// computation, and llama.cpp lets that through; in Rust it would end the process. The other side is guard.rs.

#include <cstdio>
#include <exception>

extern "C" int ghostline_guard(int (*call)(void *), void * data, int thrown, char * words, size_t size) {
    try {
        return call(data);
    } catch (const std::exception & exception) {
        std::snprintf(words, size, "%s", exception.what());
    } catch (...) {
        std::snprintf(words, size, "unknown exception");
    }
    return thrown;
}
