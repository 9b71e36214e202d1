//! Stopping: what was begun is finished, and nobody waits for ever.

use crate::support::Portolan;

#[test]
fn sigterm_ends_it_with_success() {
    let portolan = Portolan::start(&[]);
    assert!(portolan.terminate().success());
}
