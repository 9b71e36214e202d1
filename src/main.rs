//! The program: parse arguments, run, print the error chain.
fn main() {}
