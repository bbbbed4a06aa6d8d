//! Models that respond to one request many times.

use std::time::{Duration, Instant};

use futures::StreamExt;
use keynet_base::ErrorKind;
use keynet_models::inference::triton::TritonInference;
use keynet_models::inference::{InferenceBackend, InferenceRequest};

use crate::support::*;

fn asking(count: i32, size: i32) -> InferenceRequest {
    request("stream", &[("COUNT", &ints(&[count])), ("SIZE", &ints(&[size]))])
}

/// Returns the number of responses that the model has sent for the previous request, and whether it
/// was cancelled.
async fn aftermath(backend: &TritonInference) -> (i32, bool) {
    let mut stream = backend.predict_stream(asking(-1, 0), &enough()).await.unwrap();
    let answer = i32s(&stream.next().await.unwrap().unwrap()[0].tensor);
    assert!(stream.next().await.is_none());
    (answer[0], answer[1] == 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_one_by_one_and_stop_when_nobody_reads() {
    let server = triton("stream repeat add_sub", &[]);
    let backend = backend(&server, &[]);

    for numbers in [vec![5, 6, 7], vec![]] {
        let stream = backend
            .predict_stream(request("repeat", &[("IN", &ints(&numbers))]), &enough())
            .await
            .unwrap();
        let answers: Vec<_> =
            stream.map(|answer| i32s(&answer.unwrap()[0].tensor)[0]).collect().await;
        assert_eq!(answers, numbers);
    }

    // A model with one response can be used with a stream too; one with many responses requires a
    // stream.
    let stream = backend
        .predict_stream(wanting(add_sub("add_sub", &[1.0], &[2.0]), &["OUTPUT0"]), &enough())
        .await
        .unwrap();
    let answers: Vec<_> = stream.collect().await;
    assert_eq!(answers.len(), 1);
    assert_eq!(f32s(&answers[0].as_ref().unwrap()[0].tensor), [3.0]);
    let (kind_of_it, told) = kind(backend.predict(asking(1, 1), &enough()).await);
    assert!(kind_of_it == ErrorKind::Invalid && told.contains("predict-stream"), "{told}");

    // Dropped after three responses: the model stops.
    let budget = enough();
    let mut stream = backend.predict_stream(asking(100_000, 1000), &budget).await.unwrap();
    for number in 0..3 {
        assert_eq!(i32s(&stream.next().await.unwrap().unwrap()[0].tensor), vec![number; 1000]);
    }
    assert_eq!(budget.memory.used(), 256 << 10);
    drop(stream);
    assert_eq!(budget.memory.used(), 0);
    let (sent, cancelled) = aftermath(&backend).await;
    assert!(cancelled && sent < 10_000, "{sent}");

    // Two streams at once; a stream that is not read does not block the other, and loses nothing.
    let mut paused = backend
        .predict_stream(request("repeat", &[("IN", &ints(&vec![9; 5000]))]), &enough())
        .await
        .unwrap();
    let other = backend.predict_stream(asking(50, 100_000), &enough()).await.unwrap();
    assert_eq!(other.filter(|answer| std::future::ready(answer.is_ok())).count().await, 50);
    let mut came = 0;
    while let Some(answer) = paused.next().await {
        assert_eq!(i32s(&answer.unwrap()[0].tensor), [9]);
        came += 1;
    }
    assert_eq!(came, 5000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_or_the_end_of_the_time_is_the_last_answer() {
    let server = triton("stream", &[]);
    let backend = backend(&server, &[]);
    let mut failing = asking(10, 1);
    failing.inputs.extend(request("stream", &[("FAIL_AFTER", &ints(&[2]))]).inputs);
    let answers: Vec<_> = backend.predict_stream(failing, &enough()).await.unwrap().collect().await;
    assert_eq!(answers.len(), 3);
    assert!(answers[2].as_ref().unwrap_err().message.contains("failed after 2"), "{answers:?}");

    let (kind_of_it, told) = kind(
        backend
            .predict_stream(request("stream", &[("COUNT", &ints(&[1]))]), &enough())
            .await
            .map(|_| ()),
    );
    assert!(kind_of_it == ErrorKind::Invalid && told.contains("input SIZE is missing"), "{told}");
    let (kind_of_it, _) =
        kind(backend.predict_stream(request("nobody", &[]), &enough()).await.map(|_| ()));
    assert_eq!(kind_of_it, ErrorKind::NotFound);

    let started = Instant::now();
    let answers: Vec<_> = backend
        .predict_stream(asking(100_000, 1), &within(Duration::from_millis(500)))
        .await
        .unwrap()
        .collect()
        .await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(answers.last().unwrap().as_ref().unwrap_err().kind, ErrorKind::Timeout);
    assert!(answers[..answers.len() - 1].iter().all(Result::is_ok));
    assert!(aftermath(&backend).await.1);
}
