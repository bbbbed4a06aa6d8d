//! An action's result, validated and counted in its memory.

use std::fmt;
use std::ops::Deref;
use std::time::Instant;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::Failure;
use keynet_base::budget::{MemoryBudget, Reservation};
use keynet_base::offload::LargeWork;
use keynet_base::quote::shown;

/// JSON text of an action's result: an object or an array. It counts in the memory of its
/// activation until it, or the [`Bytes`] that it was converted to, is dropped.
pub struct ResultText {
    text: String,
    held: Reservation,
}

impl ResultText {
    /// Validates a guest's result. Long text is parsed on the blocking pool, as a part of `large`;
    /// `None` if `deadline` passes first.
    pub(super) async fn check(
        text: String,
        memory: &MemoryBudget,
        large: &LargeWork,
        deadline: Instant,
    ) -> Option<Result<Self, Failure>> {
        let held = match memory.reserve(text.len() as u64, "the result") {
            Ok(held) => held,
            Err(refused) => {
                return Some(Err(Failure::Limit { message: refused.message, said: None }));
            }
        };
        let result = Self { text, held };
        large.run(result.len(), Some(deadline), move || result.checked()).await
    }

    fn checked(self) -> Result<Self, Failure> {
        let json: &RawValue = serde_json::from_str(&self.text)
            .map_err(|error| Failure::Result(format!("it is not JSON: {error}")))?;
        match json.get().as_bytes().first() {
            Some(b'{' | b'[') => Ok(self),
            _ => Err(Failure::Result(format!("it is `{}`", shown(json.get())))),
        }
    }
}

impl Deref for ResultText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl AsRef<[u8]> for ResultText {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl fmt::Debug for ResultText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// Converts without a copy.
impl From<ResultText> for Bytes {
    fn from(result: ResultText) -> Self {
        Self::from_owner(result)
    }
}

/// Converts to plain text, which is no longer counted.
impl From<ResultText> for String {
    fn from(result: ResultText) -> Self {
        drop(result.held);
        result.text
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn check(text: &str, memory: &MemoryBudget) -> Result<ResultText, Failure> {
        ResultText::check(
            text.to_owned(),
            memory,
            &LargeWork::default(),
            Instant::now() + Duration::from_secs(60),
        )
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn a_result_is_an_object_or_an_array() {
        let memory = MemoryBudget::process(u64::MAX);
        for text in ["{}", " [1, 2] ", r#"{"error": "x"}"#] {
            assert_eq!(&*check(text, &memory).await.unwrap(), text);
        }
        for text in ["", "1", "\"x\"", "null", "{", "{} {}", "{\"a\": 1,}"] {
            assert!(matches!(check(text, &memory).await, Err(Failure::Result(_))), "{text}");
        }
        let long = check(&format!("\"{}\"", "x".repeat(10 << 20)), &memory).await.unwrap_err();
        assert!(long.to_string().len() < 500, "{} bytes", long.to_string().len());
        assert_eq!(memory.used(), 0);
    }

    #[tokio::test]
    async fn a_result_is_counted_until_it_was_answered() {
        let text = format!("{{\"r\":\"{}\"}}", "x".repeat(1 << 20));
        let process = MemoryBudget::process(u64::MAX);
        let refused = check(&text, &process.activation(1 << 20)).await.unwrap_err();
        assert!(
            matches!(&refused, Failure::Limit { message, .. } if message.contains("KEYNET_MEMORY")),
            "{refused}"
        );
        let result = check(&text, &process.activation(2 << 20)).await.unwrap();
        let answer = Bytes::from(result);
        assert_eq!((process.used(), answer.len()), (text.len() as u64, text.len()));
        drop(answer);
        assert_eq!(process.used(), 0);
    }

    #[tokio::test]
    async fn a_result_that_is_not_checked_by_the_deadline_is_none() {
        let memory = MemoryBudget::process(u64::MAX);
        let text = format!("[{}1]", "1,".repeat(20 << 20));
        assert!(
            ResultText::check(text, &memory, &LargeWork::default(), Instant::now()).await.is_none()
        );
    }
}
