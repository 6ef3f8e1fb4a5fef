//! A body that goes on with blanks: up to a length, or until the connection closes. It takes no memory.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::faults::Length;

/// Blanks that are sent at once.
static BLANKS: [u8; 64 * 1024] = [b' '; 64 * 1024];

/// What is left of it.
#[derive(Debug)]
pub struct LongBody {
    start: Bytes,
    /// Blanks after it; none is without an end.
    blanks: Option<u64>,
}

impl LongBody {
    /// Begins with this text.
    #[must_use]
    pub fn new(start: String, length: Length) -> Self {
        let blanks = match length {
            Length::Bytes(bytes) => Some(bytes.saturating_sub(start.len() as u64)),
            Length::Endless => None,
        };
        Self { start: Bytes::from(start), blanks }
    }

    fn next_blanks(&mut self) -> Bytes {
        let Some(left) = self.blanks else { return Bytes::from_static(&BLANKS) };
        let count = usize::try_from(left).unwrap_or(BLANKS.len()).min(BLANKS.len());
        self.blanks = Some(left - count as u64);
        Bytes::from_static(&BLANKS[..count])
    }
}

impl Body for LongBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match std::mem::take(&mut self.start) {
            start if start.is_empty() => self.next_blanks(),
            start => start,
        };
        Poll::Ready((!next.is_empty()).then(|| Ok(Frame::data(next))))
    }

    /// A length, where there is one, is sent as Content-Length; without one the body comes in chunks.
    fn size_hint(&self) -> SizeHint {
        self.blanks.map_or_else(SizeHint::default, |blanks| SizeHint::with_exact(self.start.len() as u64 + blanks))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn first_bytes(mut body: LongBody, most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            bytes.extend_from_slice(&frame.unwrap().into_data().unwrap());
            if bytes.len() >= most {
                break;
            }
        }
        bytes
    }

    #[tokio::test]
    async fn it_has_the_given_length_and_is_no_shorter_than_its_start() {
        for (told, length) in [(0, 2), (2, 2), (3, 3), (65_538, 65_538), (1_000_000, 1_000_000)] {
            let body = LongBody::new("{}".to_owned(), Length::Bytes(told));
            assert_eq!(body.size_hint().exact(), Some(length));
            let bytes = first_bytes(body, usize::MAX).await;
            assert_eq!((bytes.len() as u64, String::from_utf8(bytes).unwrap().trim_end()), (length, "{}"));
        }
    }

    #[tokio::test]
    async fn without_a_length_it_has_no_end() {
        let body = LongBody::new("{}".to_owned(), Length::Endless);
        assert_eq!(body.size_hint().exact(), None);
        assert!(first_bytes(body, 10_000_000).await.len() >= 10_000_000);
    }
}
