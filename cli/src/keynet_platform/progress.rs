//! The progress of publishing, for its observer.

/// An observer of the steps of publishing. The text of a step holds no secret.
pub trait PublishProgress {
    /// Reports that step `number` of `total` begins.
    fn step(&self, number: u8, total: u8, doing: &str);

    /// Reports the result of the step.
    fn done(&self, result: &str);
}
