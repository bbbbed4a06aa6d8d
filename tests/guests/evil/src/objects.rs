//! Attacks on `storage`: reading, keeping handles open, naming and writing.

use std::thread::sleep;
use std::time::Duration;

use keynet_inference_sdk::__private::HostError;
use keynet_inference_sdk::prelude::*;

use crate::bindings::keynet::inference::storage;
use crate::bindings::keynet::inference::triton_predict::{DataType, Tensor};
use crate::{Attack, Attempt};

/// Bytes of a part of an upload.
const PART: usize = 8 << 20;

pub fn attempt(attack: &Attack) -> Option<Attempt> {
    Some(match attack.r#do.as_str() {
        "make" => make(attack),
        "put" => storage::put(attack.text.as_bytes(), Some(&attack.location), None, None, None)
            .map(|stored| json!(stored.url)),
        "put-and-read-its-url" => put_and_read_its_url(attack),
        "finish-and-read-its-url" => finish_and_read_its_url(attack),
        "presign" => storage::presign(&attack.location, None).map(|url| json!(url)),
        "get" => storage::get(&attack.location, None).map(|bytes| json!(bytes.len())),
        "read" => storage::open(&attack.location)
            .and_then(|object| Ok(json!(object.read(0, object.size())?.len()))),
        "tensor-data" => tensor_data(attack),
        "head" => storage::head(&attack.location)
            .map(|found| json!({ "etag": found.etag.unwrap_or_default().len() })),
        "list" => list(attack),
        "list-all" => list_all(attack),
        "open" => keep(attack, |_| storage::open(&attack.location)),
        // The same bytes repeatedly: the guest holds them once, the host once for each tensor.
        "tensors" => {
            let (data, length) =
                (vec![1; attack.bytes()], i64::try_from(attack.bytes()).unwrap_or(i64::MAX));
            keep(attack, |_| Tensor::create(DataType::Uint8, &[length], &data))
        }
        "uploads" => {
            keep(attack, |number| storage::create_upload(Some(&format!("uploads/{number}")), None))
        }
        "long-location" => storage::get(&attack.long(), None).map(|bytes| json!(bytes.len())),
        "long-url" => storage::get(&format!("{}?{}", attack.location, attack.long()), None)
            .map(|bytes| json!(bytes.len())),
        "long-content-type" => {
            let content_type = format!("text/{}", attack.long());
            storage::put(b"x", Some("typed"), Some(&content_type), None, None)
                .map(|stored| json!(stored.location))
        }
        "long-etag" => {
            storage::get(&attack.location, Some(&attack.long())).map(|bytes| json!(bytes.len()))
        }
        "long-if-match" => storage::put(b"x", Some("matched"), None, Some(&attack.long()), None)
            .map(|stored| json!(stored.location)),
        "long-prefix" => storage::list(&attack.long(), None).map(|page| json!(page.objects.len())),
        "long-cursor" => {
            storage::list("", Some(&attack.long())).map(|page| json!(page.objects.len()))
        }
        _ => return None,
    })
}

/// Writes an object of the attack's size, in parts.
fn make(attack: &Attack) -> Attempt {
    let upload = storage::create_upload(Some(&attack.location), None)?;
    let part = vec![7_u8; PART.min(attack.bytes())];
    for _ in 0..attack.bytes() / part.len() {
        upload.write(&part)?;
    }
    upload.finish().map(|stored| json!(stored.location))
}

fn put_and_read_its_url(attack: &Attack) -> Attempt {
    let stored = storage::put(b"hello", Some(&attack.location), None, None, None)?;
    read_what_was_stored(&attack.location, &stored.url)
}

fn finish_and_read_its_url(attack: &Attack) -> Attempt {
    let upload = storage::create_upload(Some(&attack.location), None)?;
    upload.write(b"hello")?;
    let stored = upload.finish()?;
    read_what_was_stored(&attack.location, &stored.url)
}

/// Checks whether an object that was just written can be read by its key, and by the URL that the
/// write returned.
fn read_what_was_stored(location: &str, url: &str) -> Attempt {
    let by_key = storage::get(location, None).is_ok();
    let by_url = !url.is_empty() && storage::get(url, None).is_ok();
    Ok(json!({ "url": url, "read by key": by_key, "read by url": by_url }))
}

/// Reads an object into a tensor, which stays in the host, and then all data of the tensor.
fn tensor_data(attack: &Attack) -> Attempt {
    let object = storage::open(&attack.location)?;
    let size = i64::try_from(object.size()).unwrap_or(i64::MAX);
    let tensor = object.to_tensor(DataType::Uint8, &[size])?;
    Ok(json!(tensor.data().len()))
}

fn list(attack: &Attack) -> Attempt {
    let page = storage::list(&attack.location, None)?;
    let locations: Vec<_> = page.objects.into_iter().map(|object| object.location).collect();
    Ok(json!({ "locations": locations, "more": page.next.is_some() }))
}

/// Lists all pages.
fn list_all(attack: &Attack) -> Attempt {
    let (mut listed, mut cursor) = (0, None);
    loop {
        let page = storage::list(&attack.location, cursor.as_deref())?;
        listed += page.objects.len();
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(json!(listed)),
        }
    }
}

/// Opens `count` handles, as far as the host allows, and keeps them for a while.
fn keep<T>(attack: &Attack, open: impl Fn(usize) -> Result<T, HostError>) -> Attempt {
    let mut kept = Vec::new();
    let mut refused = None;
    for number in 0..attack.count {
        match open(number) {
            Ok(one) => kept.push(one),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    sleep(Duration::from_millis(attack.ms));
    match refused {
        Some(error) => Err(HostError {
            message: format!("after {} open: {}", kept.len(), error.message),
            kind: error.kind,
        }),
        None => Ok(json!(kept.len())),
    }
}
