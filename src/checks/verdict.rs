//! What checks one after the other say of an instance.

use crate::service::Check;

/// How many failed in a row.
#[derive(Debug)]
pub(super) struct Verdict {
    enough: u16,
    failures: u16,
}

impl Verdict {
    /// `enough` failures in a row are one.
    pub(super) fn new(enough: u16) -> Self {
        Self { enough, failures: 0 }
    }

    /// What is to be said after one more; `None` where it is too early to say that the instance fails.
    pub(super) fn after(&mut self, result: Result<(), String>) -> Option<Check> {
        let Err(reason) = result else {
            self.failures = 0;
            return Some(Check::Passing);
        };
        self.failures = self.failures.saturating_add(1);
        (self.failures >= self.enough).then(|| Check::Failing(reason.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fails_after_enough_failures_in_a_row_and_passes_at_once() {
        let mut verdict = Verdict::new(2);
        let failed = |why: &str| Err(why.to_owned());
        assert_eq!(verdict.after(failed("a")), None);
        assert_eq!(verdict.after(Ok(())), Some(Check::Passing));
        assert_eq!(verdict.after(failed("b")), None, "not in a row");
        assert_eq!(verdict.after(failed("c")), Some(Check::Failing("c".into())));
        assert_eq!(verdict.after(failed("d")), Some(Check::Failing("d".into())), "the reason is that of the last");
        assert_eq!(verdict.after(Ok(())), Some(Check::Passing));
    }
}
