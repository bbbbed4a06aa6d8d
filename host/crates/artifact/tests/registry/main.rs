//! Artifacts against a real registry in each of its modes, and against `skopeo` and `openssl`,
//! which read what this crate writes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod real;
mod strangers;

use keynet_artifact::{
    About, ArtifactError, ArtifactRef, Blob, BlobEvent, Content, Credential, Given, PrivateKey,
    Progress, RawManifest, RegistryOptions, Store, Target,
};
use keynet_base::Digest;
use keynet_base::config::Secret;
use keynet_base::outbound::AddressPolicy;
use keynet_base::retry::RetryPolicy;
use keynet_test_servers::RealServer;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Recorded events of blobs.
#[derive(Default)]
struct Seen(Mutex<Vec<(Blob, BlobEvent)>>);

impl Progress for Seen {
    fn blob(&self, blob: &Blob, event: BlobEvent) {
        self.0.lock().unwrap().push((*blob, event));
    }
}

impl Seen {
    fn events(&self, blob: &Blob) -> Vec<BlobEvent> {
        self.0
            .lock()
            .unwrap()
            .drain(..)
            .filter(|(of, _)| of == blob)
            .map(|(_, event)| event)
            .collect()
    }
}

/// Returns a component of any size: a custom section with `size` bytes that do not compress.
fn component(size: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut noise = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let mut content = vec![1, b'x'];
    while content.len() < size + 2 {
        content.extend(noise.next().unwrap());
    }
    content.truncate(size + 2);
    let mut bytes = b"\0asm\x0d\0\x01\0\0".to_vec();
    let mut length = content.len();
    loop {
        let low = u8::try_from(length & 0x7f).unwrap();
        length >>= 7;
        if length == 0 {
            bytes.push(low);
            break;
        }
        bytes.push(low | 0x80);
    }
    bytes.extend(content);
    bytes
}

fn about() -> About {
    About {
        name: Some("hello".to_owned()),
        description: Some("Says hello.".to_owned()),
        ..About::default()
    }
}

fn options(server: &RealServer, mode: &str) -> RegistryOptions {
    let mut options = RegistryOptions {
        credentials: Arc::new(keynet_artifact::Anonymous),
        retry: RetryPolicy {
            times: 2,
            first: Duration::from_millis(10),
            longest: Duration::from_millis(100),
        },
        ..RegistryOptions::default()
    };
    if mode != "none" {
        options.credentials = Arc::new(Given {
            prefix: server.get("REGISTRY").to_owned(),
            credential: Credential::Basic {
                username: server.get("REGISTRY_USER").to_owned(),
                password: Secret::new(server.get("REGISTRY_PASSWORD")),
            },
        });
    }
    if mode == "tls" {
        options.ca_files = vec![server.get("REGISTRY_CA").into()];
    }
    options
}

fn reference(server: &RealServer, path: &str) -> ArtifactRef {
    format!("{}/{path}", server.get("REGISTRY")).parse().unwrap()
}

fn run(program: &str, arguments: &[&str]) -> String {
    let ended =
        Command::new(program).args(arguments).env_remove("REGISTRY_AUTH_FILE").output().unwrap();
    assert!(
        ended.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&ended.stderr)
    );
    String::from_utf8(ended.stdout).unwrap()
}

/// Starts a server that belongs to another owner, as far as names and ports go. Returns its address
/// and the requests that it received.
async fn stranger(answer: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) =
        (listener.local_addr().unwrap().to_string(), Arc::new(Mutex::new(Vec::new())));
    let heard = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                match connection.read(&mut buffer).await {
                    Ok(read) if read > 0 => head.extend_from_slice(&buffer[..read]),
                    _ => break,
                }
            }
            heard.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
            let _ = connection.write_all(answer.as_bytes()).await;
        }
    });
    (address, asked)
}
