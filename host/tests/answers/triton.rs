//! A model server that speaks gRPC, and sends responses that no Triton would.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::StreamExt as _;
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use keynet_base::config::Config;
use keynet_models::inference::triton::TritonInference;
use keynet_models::inference::{InferenceBackend as _, InferenceRequest, ModelRef};

use super::*;

/// Response of a method: messages, the last one repeated if it never ends, and a status with its
/// message.
#[derive(Clone, Default)]
struct Answer {
    messages: Vec<Bytes>,
    endless: bool,
    words: String,
    status: u16,
}

type Answers = Arc<dyn Fn(&str) -> Answer + Send + Sync>;

struct Server {
    address: SocketAddr,
    sent: Arc<AtomicU64>,
}

impl Server {
    /// Starts a server that responds to methods by their names, such as `ModelInfer`.
    async fn start(answers: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { address: listener.local_addr().unwrap(), sent: Arc::default() };
        let (answers, sent): (Answers, _) = (Arc::new(answers), Arc::clone(&server.sent));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, sent) = (Arc::clone(&answers), Arc::clone(&sent));
                let service = hyper::service::service_fn(
                    move |request: hyper::Request<hyper::body::Incoming>| {
                        let method =
                            request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
                        let answer = body(answers(&method), Arc::clone(&sent));
                        async move {
                            Ok::<_, Infallible>(
                                hyper::Response::builder()
                                    .header("content-type", "application/grpc")
                                    .body(answer)
                                    .unwrap(),
                            )
                        }
                    },
                );
                tokio::spawn(
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        server
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    fn inference(&self) -> TritonInference {
        let url = format!("http://{}", self.address);
        let variables =
            [("TRITON_URL".to_owned(), url), ("KEYNET_TRITON_RETRY".to_owned(), "0".to_owned())]
                .into();
        TritonInference::open(
            &Config::from_origins(vec![(Origin::Container, variables)]).unwrap().triton.unwrap(),
        )
        .unwrap()
    }
}

/// Returns the messages in gRPC's framing, in pieces that are counted as they are read, and the
/// status.
fn body(
    answer: Answer,
    sent: Arc<AtomicU64>,
) -> StreamBody<impl futures::Stream<Item = Result<Frame<Bytes>, Infallible>>> {
    let Answer { messages, endless, words, status } = answer;
    let framed: Vec<Bytes> = messages
        .iter()
        .map(|message| {
            [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), message]
                .concat()
                .into()
        })
        .collect();
    let again = framed.last().cloned().filter(|_| endless);
    let pieces = framed.into_iter().chain(std::iter::from_fn(move || again.clone()));
    let pieces = pieces.flat_map(|message| {
        (0..message.len().div_ceil(64 << 10))
            .map(move |at| message.slice(at << 16..message.len().min((at + 1) << 16)))
    });
    let pieces = futures::stream::iter(pieces).map(move |piece| {
        sent.fetch_add(piece.len() as u64, Ordering::SeqCst);
        Ok(Frame::data(piece))
    });
    let mut trailers = hyper::HeaderMap::new();
    trailers.insert("grpc-status", status.into());
    if !words.is_empty() {
        trailers.insert("grpc-message", words.parse().unwrap());
    }
    StreamBody::new(pieces.chain(futures::stream::iter([Ok(Frame::trailers(trailers))])))
}

fn message(message: impl Into<Bytes>) -> Answer {
    Answer { messages: vec![message.into()], ..Answer::default() }
}

/// Encodes a field of bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut length = bytes.len();
    let mut field = vec![(number << 3) | 2];
    while length > 0x7f {
        field.push(length as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    [field, bytes.to_vec()].concat()
}

/// Responds with a model without inputs and with these outputs, and uses `other` for other methods.
fn model<F>(outputs: &[&str], other: F) -> impl Fn(&str) -> Answer + Send + Sync + 'static + use<F>
where
    F: Fn(&str) -> Option<Answer> + Send + Sync + 'static,
{
    let port = |name: &&str| {
        field(5, &[field(1, name.as_bytes()), field(2, b"UINT8"), vec![0x18, 1]].concat())
    };
    let described = [field(1, b"m"), outputs.iter().flat_map(port).collect()].concat();
    move |method| match other(method) {
        Some(answer) => answer,
        None if method == "ModelMetadata" => message(described.clone()),
        None => message(Bytes::new()),
    }
}

fn request() -> InferenceRequest {
    InferenceRequest {
        model: name(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        parameters: serde_json::Map::new(),
    }
}

fn name() -> ModelRef {
    "m".parse().unwrap()
}

/// Checks as [`super::refused`] does.
fn refused<T>(answer: Result<T, Error>, kind: ErrorKind, words: &str) -> String {
    let error = answer.map(|_| ()).expect_err("it was believed");
    assert!(
        error.kind == kind && error.message.contains(words) && error.message.len() < 2000,
        "{:?}: {error}",
        error.kind
    );
    error.message
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_mebibytes_of_empty_outputs_are_refused_and_given_back() {
    for empty in [[0x2a_u8, 0], [0x32, 0]] {
        let answer = message(empty.repeat(10 << 20));
        let server = Server::start(model(&["a", "b"], move |method| {
            (method == "ModelInfer").then(|| answer.clone())
        }))
        .await;
        let budget = enough();
        refused(
            server.inference().predict(request(), &budget).await,
            ErrorKind::Internal,
            "more outputs than the 2",
        );
        assert_eq!(budget.memory.used(), 0);
        assert!(budget.memory.peak() <= 21 * MIB, "{}", budget.memory.peak());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_fit_the_activations_memory_is_not_read() {
    let answer = message(vec![0_u8; 64 << 20]);
    let server = Server::start(model(&["a"], move |method| {
        (method == "ModelInfer").then(|| answer.clone())
    }))
    .await;
    let budget = within(8 * MIB, Duration::from_secs(60));
    refused(
        server.inference().predict(request(), &budget).await,
        ErrorKind::TooLarge,
        "an answer of Triton of 67108864 bytes",
    );
    assert_eq!(budget.memory.used(), 0);
    assert!(server.sent() <= ON_THE_WAY, "the server sent {} bytes", server.sent());
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_that_were_asked_for_are_returned() {
    let output = |name: &str| {
        field(5, &[field(1, name.as_bytes()), field(2, b"UINT8"), vec![0x18, 2]].concat())
    };
    let answer = message([output("a"), output("b"), field(6, b"12"), field(6, b"34")].concat());
    let server = Server::start(model(&["a", "b"], move |method| {
        (method == "ModelInfer").then(|| answer.clone())
    }))
    .await;
    let outputs = server.inference().predict(request(), &enough()).await.unwrap();
    let outputs: Vec<_> = outputs
        .iter()
        .map(|output| (output.name.as_str(), output.tensor.data().as_ref()))
        .collect();
    assert_eq!(outputs, [("a", b"12".as_slice()), ("b", b"34")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn descriptions_have_a_size_and_a_number_of_fields() {
    let inputs = [0x22_u8, 0].repeat(200_000);
    let long = [field(4, &[field(1, &[b'n'; 2000]), field(2, b"UINT8")].concat())].concat();
    let cases = [
        ("ModelMetadata", vec![0_u8; 2 << 20], ErrorKind::TooLarge, "message length too large"),
        ("ModelMetadata", inputs, ErrorKind::TooLarge, "more than the 65536 fields"),
        (
            "ModelMetadata",
            [0x22_u8, 0].repeat(2000),
            ErrorKind::TooLarge,
            "2000 inputs, more than the 1024",
        ),
        ("ModelMetadata", long, ErrorKind::TooLarge, "whose name has 2000 bytes"),
        (
            "ModelConfig",
            field(1, &[0x2a_u8, 0].repeat(100_000)),
            ErrorKind::TooLarge,
            "more than the 65536 fields",
        ),
    ];
    for (method, bytes, kind, words) in cases {
        let answer = message(bytes);
        let server =
            Server::start(model(&["a"], move |asked| (asked == method).then(|| answer.clone())))
                .await;
        refused(server.inference().metadata(&name(), &enough()).await, kind, words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_and_indexes_have_a_size_and_a_number_of_fields() {
    let stats = message(field(1, &[0x3a_u8, 0].repeat(100_000)));
    let index = message([0x0a_u8, 0].repeat(100_000));
    let server =
        Server::start(
            move |method| if method == "ModelStatistics" { stats.clone() } else { index.clone() },
        )
        .await;
    refused(
        server.inference().statistics(&name(), &enough()).await,
        ErrorKind::TooLarge,
        "more than the 65536 fields",
    );
    refused(
        server.inference().index(&enough()).await,
        ErrorKind::TooLarge,
        "more than the 65536 fields",
    );
    let endless =
        Answer { messages: vec![vec![0_u8; 64 << 20].into()], endless: true, ..Answer::default() };
    let server = Server::start(move |_| endless.clone()).await;
    refused(
        server.inference().index(&enough()).await,
        ErrorKind::TooLarge,
        "message length too large",
    );
    assert!(server.sent() <= ON_THE_WAY, "the server sent {} bytes", server.sent());
}

#[tokio::test(flavor = "multi_thread")]
async fn words_without_an_end_are_cut() {
    let words =
        |bytes: usize| Answer { words: "no ".repeat(bytes / 3), status: 13, ..Answer::default() };
    for bytes in [6_000, 300_000] {
        let server = Server::start(model(&["a"], move |method| {
            (method == "ModelInfer").then(|| words(bytes))
        }))
        .await;
        let error = server.inference().predict(request(), &enough()).await.unwrap_err();
        assert!(error.message.len() < 1500, "{error}");
    }
    let error = message(field(1, &[b'x'; 1 << 20]));
    let server = Server::start(model(&["a"], move |method| {
        (method == "ModelStreamInfer").then(|| error.clone())
    }))
    .await;
    let mut stream = server.inference().predict_stream(request(), &enough()).await.unwrap();
    refused(stream.next().await.unwrap(), ErrorKind::Internal, "xxx");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_nobody_reads_holds_no_more_than_its_window() {
    let output = field(5, &[field(1, b"a"), field(2, b"UINT8"), vec![0x18, 0]].concat());
    let one = Answer {
        messages: vec![field(2, &[output, field(6, b"")].concat()).into()],
        endless: true,
        ..Answer::default()
    };
    let server = Server::start(model(&["a"], move |method| {
        (method == "ModelStreamInfer").then(|| one.clone())
    }))
    .await;
    let budget = enough();
    let inference = server.inference();
    let mut stream = inference.predict_stream(request(), &budget).await.unwrap();
    stream.next().await.unwrap().unwrap();
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until && server.sent() <= MIB {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(server.sent() <= MIB, "{} bytes were read ahead", server.sent());
    drop(stream);
    assert_eq!(budget.memory.used(), 0);
}
