//! Objects of the embedded store.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::time::{Duration, SystemTime};

use keynet_inference_sdk::{PutOptions, prelude::*};

use crate::{kind, refusal};

pub fn objects() -> Result<Value> {
    let storage = Storage::new()?;
    let new = storage.put("first", "text/plain; charset=utf-8")?;
    let day = new.location.split('/').next().unwrap_or_default().to_owned();
    let named = storage.put_at("a folder/안녕.txt", "named", None)?;
    let about = storage.head(&named.location)?;
    let age = about.modified.and_then(|modified| SystemTime::now().duration_since(modified).ok());
    let s3 = |bucket: &str| format!("s3://{bucket}/{}", named.location);
    let empty = storage.put_at("empty", [], "application/json")?;
    let told = json!({
        "a new key is of today": day.len() == 8 && day.bytes().all(|digit| digit.is_ascii_digit()),
        "read back": String::from_utf8(storage.get(&new.location)?)?,
        "read by its URL": String::from_utf8(storage.get(&new.url)?)?,
        "content type of the new": storage.head(&new.location)?.content_type,
        "named": named.location,
        "size": about.size,
        "content type": about.content_type,
        "etag is that of the put": about.etag.is_some() && about.etag == named.etag,
        "etags of other contents differ": new.etag != named.etag,
        "is of this hour": age.is_some_and(|age| age < Duration::from_secs(3600)),
        "by the bucket": String::from_utf8(storage.get(s3("default"))?)?,
        "of another bucket": kind(storage.get(s3("elsewhere"))),
        "empty": [storage.get(&empty.location)?.len(), storage.head("empty")?.size as usize],
        "missing": refusal(storage.get("nobody/is/here")),
        "head of what is missing": kind(storage.head("nobody/is/here")),
        "put to a URL": kind(storage.put_at(&new.url, "x", None)),
        "outside": [kind(storage.get("../secret")), kind(storage.get("/etc/passwd")), kind(storage.get("a//b")), kind(storage.get(""))],
        "reserved": kind(storage.put_at(".keynet/x", "x", None)),
        "of another scheme": kind(storage.get("file:///etc/passwd")),
        "a content type that is none": kind(storage.put("x", "no\nnsense")),
        "somebody's URL": kind(storage.get("http://127.0.0.1:1/nobody")),
    });
    storage.delete(&named.location)?;
    storage.delete(&named.location)?; // there is nothing left to delete
    ensure!(storage.get(&named.location).is_err(), "it was not deleted");
    Ok(told)
}

pub fn conditions() -> Result<Value> {
    let storage = Storage::new()?;
    let once = PutOptions::at("lock").if_absent().content_type("text/plain");
    let first = storage.put_with("mine", &once)?;
    let etag = first.etag.context("a put has no etag")?;
    let second = kind(storage.put_with("also mine", &once));
    let unchanged = storage.get_if_changed("lock", &etag)?.is_none();
    let replaced = storage.put_with("yours", &PutOptions::at("lock").if_match(&etag))?;
    let stale = kind(storage.put_with("late", &PutOptions::at("lock").if_match(&etag)));
    let changed = storage.get_if_changed("lock", &etag)?.context("it was replaced")?;
    Ok(json!({
        "second": second,
        "unchanged": unchanged,
        "the etag changed": replaced.etag.is_some_and(|new| new != etag),
        "stale": stale,
        "changed": String::from_utf8(changed)?,
        "over nothing": kind(storage.put_with("x", &PutOptions::at("nothing").if_match(&etag))),
        "content": String::from_utf8(storage.get("lock")?)?,
    }))
}

pub fn parts() -> Result<Value> {
    let storage = Storage::new()?;
    storage.put_at("lines", "one\ntwo\nthree\n", "text/plain")?;
    let mut object = storage.open("lines")?;
    let lines: Vec<String> = BufReader::new(&mut object).lines().collect::<std::io::Result<_>>()?;
    object.seek(SeekFrom::End(-6))?;
    let mut end = String::new();
    object.read_to_string(&mut end)?;
    let size = object.size();
    let facts = json!([size, object.content_type(), object.etag() == storage.head("lines")?.etag]);
    let beyond = [
        object.read_at(4, 3)?.len(),
        object.read_at(12, 100)?.len(),
        object.read_at(14, 1)?.len(),
        object.read_at(u64::MAX, u64::MAX)?.len(),
    ];

    let matrix = Tensor::from_slice(&[2, 2], &[1_f32, 2.0, 3.0, 4.0])?;
    let stored = storage.put_tensor("matrix", &matrix, "application/x-fp32")?;
    let again = storage.get_tensor("matrix", DataType::Fp32, &[4])?;
    let wrong = refusal(storage.get_tensor("matrix", DataType::Fp32, &[5]));
    let random = storage.put_tensor(None, &matrix, None)?;

    storage.put_at("lines", "other content\n", "text/plain")?;
    let replaced = kind(object.read_at(0, 3));
    storage.delete("lines")?;
    let deleted = kind(object.read_at(0, 3));
    Ok(json!({
        "lines": lines,
        "end": end,
        "facts": facts,
        "lengths": beyond,
        "tensor": again.to_vec::<f32>()?,
        "location": stored.location,
        "content type": storage.head("matrix")?.content_type,
        "bytes": storage.get(&random.location)? == matrix.to_bytes(),
        "wrong shape": wrong,
        "replaced": replaced,
        "deleted": deleted,
        "missing": kind(storage.open("nobody")),
    }))
}

pub fn uploads() -> Result<Value> {
    let storage = Storage::new()?;
    let part = vec![7_u8; 1 << 20];
    let mut upload = storage.upload("big", "application/x-sevens")?;
    for _ in 0..3 {
        upload.write_all(&part)?;
    }
    let before = kind(storage.head("big"));
    let stored = upload.finish()?;
    let about = storage.head("big")?;

    let mut dropped = storage.upload("dropped", None)?;
    dropped.write_all(&part)?;
    drop(dropped);
    let mut aborted = storage.upload("aborted", None)?;
    aborted.write_all(&part)?;
    aborted.abort()?;
    let mut random = storage.upload(None, None)?;
    random.write_all(b"somewhere")?;
    let random = random.finish()?;
    let empty = storage.upload("nothing in it", None)?.finish()?;
    Ok(json!({
        "before": before,
        "location": stored.location,
        "size": about.size,
        "content type": about.content_type,
        "etag is that of finish": about.etag.is_some() && about.etag == stored.etag,
        "by its URL": storage.open(&stored.url)?.size(),
        "dropped": kind(storage.head("dropped")),
        "aborted": kind(storage.head("aborted")),
        "somewhere": String::from_utf8(storage.get(&random.location)?)?,
        "empty": storage.head(&empty.location)?.size,
        "left": storage.list("").count(),
    }))
}

pub fn listing() -> Result<Value> {
    let storage = Storage::new()?;
    for number in 0..1002 {
        storage.put_at(format!("many/{number:04}"), [0; 3], "text/plain")?;
    }
    for key in ["many-more", "other/b", "other/a", "other/안녕"] {
        storage.put_at(key, "x", None)?;
    }
    let keys = |prefix: &str| -> Result<Vec<String>> {
        storage.list(prefix).map(|object| Ok(object?.location)).collect()
    };
    let many = keys("many/")?;
    let first = storage.list("many/0000").next().context("it is there")??;
    Ok(json!({
        "many": many.len(),
        "pages": crate::contract::pages("many/")?,
        "in order": many.is_sorted(),
        "each once": many.iter().collect::<std::collections::BTreeSet<_>>().len(),
        "last": many.last(),
        "below": keys("many/100")?,
        "part of a name": keys("many-")?,
        "other": keys("other/")?,
        "nothing": keys("nothing/")?,
        "a key that is the folder of others": refusal(storage.put_at("many", "x", None)),
        "all": keys("")?.len(),
        "facts": [json!(first.size), json!(first.content_type.is_none()), json!(first.etag == storage.head("many/0000")?.etag), json!(first.modified.is_some())],
        "in another bucket": kind(storage.list("s3://elsewhere/").next().context("an answer")?),
        "wrong": kind(storage.list("a//b").next().unwrap_or_else(empty)),
    }))
}

fn empty<T>() -> Result<T> {
    Err(Error::internal("it was empty"))
}

pub fn presigned() -> Result<Value> {
    let storage = Storage::new()?;
    storage.put_at("shown", "for all to see", "text/plain")?;
    let url = storage.presign("shown", Duration::from_secs(60))?;
    let grant = storage.presign_put("wanted", "image/png", None)?;
    let random = storage.presign_put(None, None, Duration::from_secs(1))?;
    let forged = url.replace("/shown?", "/other?");
    Ok(json!({
        "by URL": String::from_utf8(storage.get(&url)?)?,
        "size by URL": storage.head(&url)?.size,
        "of nothing": kind(storage.get(storage.presign("nothing", None)?)),
        "forged": kind(storage.get(&forged)),
        "one made to write": kind(storage.get(&grant.url)),
        "where": grant.location,
        "somewhere": random.location.len(),
        "too long": refusal(storage.presign("shown", Duration::from_secs(8 * 24 * 3600))),
        "no time": kind(storage.presign("shown", Duration::ZERO)),
        "too long to write": kind(storage.presign_put("wanted", None, Duration::from_secs(8 * 24 * 3600))),
    }))
}

fn location() -> Result<String> {
    UserInput::require("location")
}

fn ttl() -> Result<Option<Duration>> {
    Ok(UserInput::get("ttl")?.map(Duration::from_secs))
}

pub fn get() -> Result<Value> {
    Ok(json!({ "content": String::from_utf8_lossy(&Storage::new()?.get(location()?)?) }))
}

pub fn put() -> Result<Value> {
    let content = UserInput::get::<String>("content")?.unwrap_or_default();
    let storage = Storage::new()?;
    let stored = match UserInput::get::<String>("location")? {
        Some(location) => storage.put_at(location, content, "text/plain")?,
        None => storage.put(content, "text/plain")?,
    };
    Ok(json!({ "location": stored.location, "url": stored.url }))
}

pub fn delete() -> Result<Value> {
    Storage::new()?.delete(location()?)?;
    Ok(json!({}))
}

pub fn list() -> Result<Value> {
    let found: Vec<String> = Storage::new()?
        .list(UserInput::require::<String>("prefix")?)
        .map(|object| Ok(object?.location))
        .collect::<Result<_>>()?;
    Ok(json!({ "found": found }))
}

pub fn presign() -> Result<Value> {
    Ok(json!({ "url": Storage::new()?.presign(location()?, ttl()?)? }))
}

pub fn presign_put() -> Result<Value> {
    let grant = Storage::new()?.presign_put(location()?.as_str(), "text/plain", ttl()?)?;
    Ok(json!({ "location": grant.location, "url": grant.url }))
}
