//! Servers that are slow, overloaded, stopped or otherwise faulty.

use std::time::{Duration, Instant};

use futures::future::join_all;
use keynet_base::ErrorKind;
use keynet_models::inference::InferenceBackend;
use serde_json::json;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_is_kept_and_what_nobody_waits_for_is_cancelled() {
    let server = triton("slow", &[]);
    let backend = backend(&server, &[]);
    backend.predict(slow(0), &enough()).await.unwrap();
    let started = Instant::now();
    let (kind_of_it, told) =
        kind(backend.predict(slow(30_000), &within(Duration::from_millis(300))).await);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(kind_of_it == ErrorKind::Timeout && told.contains("model slow"), "{told}");
    // The server has cancelled the call; otherwise this would wait for the rest of the 30 s.
    backend.predict(slow(0), &within(Duration::from_secs(10))).await.unwrap();
    // The same applies when the caller goes away.
    let budget = enough();
    assert!(
        tokio::time::timeout(Duration::from_millis(200), backend.predict(slow(30_000), &budget))
            .await
            .is_err()
    );
    backend.predict(slow(0), &within(Duration::from_secs(10))).await.unwrap();
    assert_eq!(budget.memory.used(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_asked_again() {
    let server = triton("slow", &[]);
    let impatient = backend(&server, &[("KEYNET_TRITON_RETRY", "0")]);
    let budget = enough();
    // One runs, four are queued, the others are rejected.
    let answers = join_all((0..12).map(|_| impatient.predict(slow(500), &budget))).await;
    let refused: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert!(!refused.is_empty());
    assert!(
        refused
            .iter()
            .all(|error| error.kind == ErrorKind::Unavailable && error.message.contains("queue")),
        "{refused:?}"
    );

    let patient = backend(&server, &[]);
    let answers = join_all((0..12).map(|_| patient.predict(slow(50), &budget))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");

    // A request that exceeds its own queue timeout fails with `timeout` and is not retried.
    let busy = patient.predict(slow(1000), &budget);
    let late = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        kind(
            patient.predict(with_parameters(slow(1), json!({ "timeout": 100_000 })), &budget).await,
        )
    };
    let (busy, (kind_of_it, told)) = futures::join!(busy, late);
    busy.unwrap();
    assert!(
        kind_of_it == ErrorKind::Timeout && told.contains("timeout expired"),
        "{kind_of_it}: {told}"
    );
}

#[test]
fn a_server_that_dies_in_the_middle_costs_that_call_and_no_other() {
    alone("faults::a_server_that_dies_in_the_middle_costs_that_call_and_no_other", async {
        let mut server = triton("slow add_sub accumulate", &[]);
        let once = backend(&server, &[("KEYNET_TRITON_RETRY", "0")]);
        let patient = backend(&server, &[("KEYNET_TRITON_RETRY", "100s")]);
        for backend in [&once, &patient] {
            backend.predict(slow(0), &enough()).await.unwrap();
            backend.predict(add_sub("add_sub", &[1.0], &[1.0]), &enough()).await.unwrap();
        }
        let before = descriptors();
        for round in 0..2 {
            let asked = {
                let backend = once.clone();
                tokio::spawn(async move { backend.predict(slow(30_000), &enough()).await })
            };
            tokio::time::sleep(Duration::from_millis(300)).await;
            let killed = Instant::now();
            server.kill();
            let (kind_of_it, told) = kind(asked.await.unwrap());
            assert!(
                kind_of_it == ErrorKind::Unavailable && told.contains("the connection to Triton"),
                "{told}"
            );
            assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
            // Now the server is unreachable, which is reported immediately; every connection may
            // first have to be found broken.
            let mut told = String::new();
            for _ in 0..5 {
                let (kind_of_it, why) = kind(once.predict(slow(0), &enough()).await);
                assert_eq!(kind_of_it, ErrorKind::Unavailable, "{why}");
                told = why;
                if told.contains("cannot be reached") {
                    break;
                }
            }
            assert!(
                told.contains("cannot be reached") && killed.elapsed() < Duration::from_secs(5),
                "{told}"
            );
            // A repeatable request succeeds once the server is back; a request of a sequence is
            // retried too, as long as the model has not received it.
            let waiting = {
                let backend = patient.clone();
                tokio::spawn(async move {
                    backend
                        .predict(
                            add_sub("add_sub", &[1.0], &[f32::from(round as u8)]),
                            &within(Duration::from_secs(200)),
                        )
                        .await
                })
            };
            tokio::task::block_in_place(|| server.resume());
            let answer = waiting.await.unwrap().unwrap();
            assert_eq!(f32s(&answer[0].tensor), [1.0 + f32::from(round as u8)]);
            once.predict(slow(0), &enough()).await.unwrap();
        }
        until("connections stay open", || descriptors() <= before).await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_told_before_the_time_is_over() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = at(&[("TRITON_URL", &format!("http://{address}"))]).unwrap();
    let started = Instant::now();
    let (kind_of_it, told) = kind(gone.predict(slow(0), &within(Duration::from_secs(2))).await);
    assert!(started.elapsed() < Duration::from_millis(1900), "{:?}", started.elapsed());
    assert!(
        kind_of_it == ErrorKind::Unavailable
            && told.contains("cannot be reached")
            && told.contains("times in"),
        "{told}"
    );
    assert_eq!(
        kind(gone.predict_stream(slow(0), &within(Duration::from_millis(500))).await.map(|_| ())).0,
        ErrorKind::Unavailable
    );
    assert_eq!(kind(gone.server_ready(&enough()).await).0, ErrorKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_http_port_is_not_the_grpc_port() {
    let server = triton("add_sub", &[]);
    let wrong =
        at(&[("TRITON_URL", server.get("TRITON_HTTP")), ("KEYNET_TRITON_RETRY", "0")]).unwrap();
    let (kind_of_it, told) = kind(
        wrong.predict(add_sub("add_sub", &[1.0], &[1.0]), &within(Duration::from_secs(10))).await,
    );
    assert!(
        kind_of_it == ErrorKind::Unavailable && told.contains("gRPC port"),
        "{kind_of_it}: {told}"
    );
}
