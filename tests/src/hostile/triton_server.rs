//! Server that speaks gRPC as far as Triton's clients need it, and responds with any bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Response};
use tokio::net::{TcpListener, TcpStream};

/// Responses to the three calls of a prediction, as protobuf messages.
#[derive(Debug, Clone, Default)]
pub struct TritonAnswers {
    /// Response to `ModelMetadata`.
    pub metadata: Bytes,
    /// Response to `ModelConfig`.
    pub config: Bytes,
    /// Response to `ModelInfer`.
    pub infer: Bytes,
}

/// Server on a free port of 127.0.0.1; it ends with the test.
pub struct TritonServer {
    address: SocketAddr,
    sent: Arc<AtomicU64>,
}

/// Encodes a length-delimited protobuf field: its number and its bytes.
pub fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut encoded = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length > 0x7f {
        encoded.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    encoded.push(u8::try_from(length).expect("seven bits"));
    encoded.extend_from_slice(bytes);
    encoded
}

impl TritonAnswers {
    /// Returns the responses for a model `m` without inputs and outputs, as
    /// [`TritonAnswers::metadata`] describes it.
    pub fn new(infer: Vec<u8>) -> Self {
        let metadata = [field(1, b"m"), field(2, b"1"), field(3, b"hostile")].concat();
        Self { metadata: metadata.into(), config: Bytes::new(), infer: infer.into() }
    }
}

impl TritonServer {
    /// Starts a server with these responses.
    pub fn start(answers: TritonAnswers) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        listener.set_nonblocking(true).expect("a listener");
        let sent = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&sent);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(connection(stream, answers.clone(), Arc::clone(&counted)));
                }
            });
        });
        Self { address, sent }
    }

    /// Returns the value for `TRITON_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the MiB that were sent so far.
    pub fn sent_mib(&self) -> u64 {
        self.sent.load(Ordering::Relaxed) >> 20
    }
}

async fn connection(stream: TcpStream, answers: TritonAnswers, sent: Arc<AtomicU64>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let message = match request.uri().path().rsplit('/').next() {
            Some("ModelMetadata") => answers.metadata.clone(),
            Some("ModelConfig") => answers.config.clone(),
            Some("ModelInfer") => answers.infer.clone(),
            _ => Bytes::new(),
        };
        tokio::spawn(answer(request, respond, message, Arc::clone(&sent)));
    }
}

/// Reads the request, then sends `message` as far as the client's flow control allows.
async fn answer(
    request: http::Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
    message: Bytes,
    sent: Arc<AtomicU64>,
) {
    let mut body = request.into_body();
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
    }
    let head =
        Response::builder().header("content-type", "application/grpc").body(()).expect("a head");
    let Ok(mut out) = respond.send_response(head, false) else { return };
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).expect("a message of gRPC"));
    framed.extend_from_slice(&message);
    let mut left = framed.freeze();
    while !left.is_empty() {
        out.reserve_capacity(left.len());
        let Some(Ok(room)) = std::future::poll_fn(|context| out.poll_capacity(context)).await
        else {
            return;
        };
        let piece = left.split_to(room.min(left.len()));
        sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
        if out.send_data(piece, false).is_err() {
            return;
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let _ = out.send_trailers(trailers);
}
