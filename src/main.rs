//! The program: everything is in the library, so that it can be embedded and tested.

use std::process::ExitCode;

fn main() -> ExitCode {
    portolan::cli::main()
}
