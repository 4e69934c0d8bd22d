//! Tells the linker of the scripts: cortex-m-rt's, for which embassy-stm32 makes `memory.x`, and
//! defmt's.

fn main() {
    println!("cargo::rustc-link-arg-bins=--nmagic");
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rustc-link-arg-bins=-Tdefmt.x");
    println!("cargo::rerun-if-changed=build.rs");
}
