use super::*;
use futures::stream;
use http_body_util::{BodyExt, StreamBody};

#[test]
fn only_a_page_of_a_list_has_the_larger_bound() {
    let list = "https://gameliftstreams.us-west-2.api.aws/streamgroups/sg-1/streamsessions";
    let pages = [list.to_owned(), format!("{list}?Status=ACTIVE"), "/streamgroups/a/streamsessions".to_owned()];
    for page in pages {
        assert_eq!(bound_of(&page), PAGE_BOUND, "{page}");
    }
    let others = [
        format!("{list}/ABC123def4567"),
        format!("{list}/streamsessions"),
        format!("{list}/ABC123def4567/exportfiles?/streamgroups/a/streamsessions"),
        format!("{list}/ABC123def4567/exportfiles#/streamgroups/a/streamsessions"),
        "https://sts.us-west-2.amazonaws.com/".to_owned(),
        "http://169.254.170.23/v1/credentials".to_owned(),
        String::new(),
    ];
    for other in others {
        assert_eq!(bound_of(&other), ANSWER_BOUND, "{other}");
    }
}

/// A body of `count` frames of one byte, without a length, and with trailers.
fn in_single_bytes(count: usize) -> BoundedBody {
    let pieces = (0..count).map(|_| Frame::data(Bytes::from_static(b"x")));
    let trailers = Frame::trailers(http::HeaderMap::new());
    let frames = pieces.chain([trailers]).map(Ok::<_, std::convert::Infallible>);
    let body = SdkBody::from_body_1_x(StreamBody::new(stream::iter(frames)));
    BoundedBody::new(body, 1000, Arc::new(Semaphore::new(0)))
}

#[tokio::test]
async fn a_body_of_many_small_pieces_comes_out_in_one() {
    let mut body = in_single_bytes(1000);
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap().len(), 1000);
    assert!(body.frame().await.is_none());
    assert!(in_single_bytes(0).frame().await.is_none());
    let error = in_single_bytes(1001).frame().await.unwrap().unwrap_err();
    assert!(error.is::<OversizedBody>());
    assert_eq!(error.to_string(), "the body of the answer is longer than 1000 bytes");
}

/// A body of `length` bytes that have arrived, whose end has not.
async fn stalled(room: &Arc<Semaphore>, length: usize) -> Result<BoundedBody, BoxError> {
    let piece = stream::iter([Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from(vec![0; length])))]);
    let body = SdkBody::from_body_1_x(StreamBody::new(stream::StreamExt::chain(piece, stream::pending())));
    let mut body = BoundedBody::new(body, PAGE_BOUND, room.clone());
    match futures::poll!(body.frame()) {
        Poll::Pending => Ok(body),
        Poll::Ready(frame) => Err(frame.unwrap().unwrap_err()),
    }
}

#[tokio::test]
async fn long_bodies_share_their_room_and_give_it_back() {
    let room = Arc::new(Semaphore::new(1000));
    let first = stalled(&room, FREE_BYTES + 600).await.unwrap();
    let second = stalled(&room, FREE_BYTES + 400).await.unwrap();
    let error = stalled(&room, FREE_BYTES + 1).await.err().unwrap();
    assert!(matches!(error.downcast_ref(), Some(OversizedBody::NoRoom)), "{error}");
    let usual = stalled(&room, FREE_BYTES).await.unwrap();
    drop(first);
    let third = stalled(&room, FREE_BYTES + 600).await.unwrap();
    assert_eq!(room.available_permits(), 0);
    drop((second, usual, third));
    assert_eq!(room.available_permits(), 1000);
}
