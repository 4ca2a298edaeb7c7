//! Compiles the one piece of C++ of our own: what keeps a back end's exceptions from ending the process.

fn main() {
    println!("cargo:rerun-if-changed=src/engine/llama/guard.cpp");
    cc::Build::new()
        .cpp(true)
        .file("src/engine/llama/guard.cpp")
        .compile("ghostline_guard");
}
