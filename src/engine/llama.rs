//! llama.cpp. The only user of `llama_cpp_2` and `llama_cpp_sys_2`, and the only file with `unsafe`.
