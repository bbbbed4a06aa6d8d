//! Objects that a recording answers for.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use keynet_base::budget::CallBudget;
use keynet_base::error::{Error, Result};
use keynet_object_storage::{
    ContentType, Location, ObjectInfo, ObjectKey, Objects, Page, Prefix, PutConditions, ReadBytes,
    ReadObject, Stored, WriteGrant, WriteObject,
};
use url::Url;

use super::answers::{damaged, location, unsuitable};
use super::calls::{Answer, ObjectRecord, Question};
use super::payload::Payload;
use super::replay::Script;
use super::veil::Veil;

/// Objects that a recording answers for. Objects that only the replay writes get URLs of
/// `replay.invalid`, where nothing is.
pub(super) struct ReplayedObjects(Arc<Script>);

/// Open object of a recording.
struct ReplayedRead {
    script: Arc<Script>,
    info: ObjectInfo,
}

/// Upload of a replay.
struct ReplayedWrite {
    script: Arc<Script>,
    location: Location,
    is_open: bool,
}

impl ReplayedObjects {
    pub(super) fn new(script: Arc<Script>) -> Self {
        Self(script)
    }
}

/// Returns the text of a location, masked as in the recording.
fn place(location: &Location) -> String {
    Veil::default().location(location)
}

fn url(text: &str) -> Result<Url> {
    text.parse().map_err(|error| damaged(&format!("a URL: {error}")))
}

/// Returns the URL of an object that only the replay has.
fn nowhere(location: &Location) -> Result<Url> {
    let mut url = url("http://replay.invalid/")?;
    url.set_path(location.key().map_or("", ObjectKey::as_str));
    Ok(url)
}

fn stored(answer: Answer, asked: &Location) -> Result<Stored> {
    match answer {
        Answer::Stored { location: stored, url: text, etag } => {
            Ok(Stored { location: location(&stored)?, url: url(&text)?, etag })
        }
        Answer::Done => Ok(Stored { location: asked.clone(), url: nowhere(asked)?, etag: None }),
        other => Err(unsuitable(&other)),
    }
}

impl Script {
    /// Returns recorded bytes, of which the guest asked for `most`.
    fn data(&self, answer: Answer, most: u64, budget: &CallBudget) -> Result<ReadBytes> {
        let Answer::Data(payload) = answer else { return Err(unsuitable(&answer)) };
        let reservation = budget.memory.reserve(payload.size(), "an object of the recording")?;
        let bytes = self.folder.read(&payload).map_err(|why| damaged(&why))?;
        if bytes.len() as u64 > most {
            return Err(damaged("a call is answered with more bytes than it asked for"));
        }
        Ok(ReadBytes { bytes, reservation })
    }
}

#[async_trait]
impl Objects for ReplayedObjects {
    fn default_bucket(&self) -> &str {
        &self.0.document.default_bucket
    }

    fn new_key(&self) -> ObjectKey {
        let recorded = self.0.next_key().and_then(|key| ObjectKey::parse(&key).ok());
        recorded.unwrap_or_else(ObjectKey::new_random)
    }

    async fn get(
        &self,
        location: &Location,
        if_none_match: Option<String>,
        budget: &CallBudget,
    ) -> Result<ReadBytes> {
        let question = Question::Get { location: place(location), if_none_match };
        self.0.data(self.0.ask(question, &[]).await?, u64::MAX, budget)
    }

    async fn open(&self, location: &Location, _: &CallBudget) -> Result<Box<dyn ReadObject>> {
        match self.0.ask(Question::Open { location: place(location) }, &[]).await? {
            Answer::Object(info) => {
                Ok(Box::new(ReplayedRead { script: Arc::clone(&self.0), info: info.info()? }))
            }
            other => Err(unsuitable(&other)),
        }
    }

    async fn head(&self, location: &Location, _: &CallBudget) -> Result<ObjectInfo> {
        match self.0.ask(Question::Head { location: place(location) }, &[]).await? {
            Answer::Object(info) => info.info(),
            other => Err(unsuitable(&other)),
        }
    }

    async fn put(
        &self,
        bytes: Bytes,
        location: Location,
        content_type: Option<ContentType>,
        conditions: PutConditions,
        _: &CallBudget,
    ) -> Result<Stored> {
        let question = Question::Put {
            location: place(&location),
            content_type: content_type.as_ref().map(ToString::to_string),
            if_match: conditions.if_match,
            if_none_match: conditions.if_none_match,
            data: Payload::of(&bytes),
        };
        stored(self.0.ask(question, &[bytes]).await?, &location)
    }

    async fn create_upload(
        &self,
        location: Location,
        content_type: Option<ContentType>,
        _: &CallBudget,
    ) -> Result<Box<dyn WriteObject>> {
        let question = Question::CreateUpload {
            location: place(&location),
            content_type: content_type.as_ref().map(ToString::to_string),
        };
        match self.0.ask(question, &[]).await? {
            Answer::Done => {
                Ok(Box::new(ReplayedWrite { script: Arc::clone(&self.0), location, is_open: true }))
            }
            other => Err(unsuitable(&other)),
        }
    }

    async fn presign(
        &self,
        location: &Location,
        ttl: Option<Duration>,
        _: &CallBudget,
    ) -> Result<Url> {
        let question = Question::Presign {
            location: place(location),
            ttl_seconds: ttl.map(|ttl| ttl.as_secs()),
        };
        match self.0.ask(question, &[]).await? {
            Answer::Url(text) => url(&text),
            Answer::Done => nowhere(location),
            other => Err(unsuitable(&other)),
        }
    }

    async fn presign_put(
        &self,
        asked: Location,
        content_type: Option<ContentType>,
        ttl: Option<Duration>,
        _: &CallBudget,
    ) -> Result<WriteGrant> {
        let question = Question::PresignPut {
            location: place(&asked),
            content_type: content_type.as_ref().map(ToString::to_string),
            ttl_seconds: ttl.map(|ttl| ttl.as_secs()),
        };
        match self.0.ask(question, &[]).await? {
            Answer::WriteGrant { location: granted, url: text } => {
                Ok(WriteGrant { location: location(&granted)?, url: url(&text)? })
            }
            Answer::Done => Ok(WriteGrant { url: nowhere(&asked)?, location: asked }),
            other => Err(unsuitable(&other)),
        }
    }

    async fn list(
        &self,
        prefix: &Prefix,
        cursor: Option<&str>,
        budget: &CallBudget,
    ) -> Result<Page> {
        let question =
            Question::List { prefix: prefix.to_string(), cursor: cursor.map(str::to_owned) };
        let (objects, next) = match self.0.ask(question, &[]).await? {
            Answer::Page { objects, next } => (objects, next),
            other => return Err(unsuitable(&other)),
        };
        let reservation = budget.memory.reserve(0, "a listing")?;
        let mut page = Page { objects: Vec::new(), next, reservation };
        for info in objects.into_iter().map(ObjectRecord::info) {
            page.push(info?)?;
        }
        Ok(page)
    }

    async fn delete(&self, location: &Location, _: &CallBudget) -> Result<()> {
        done(self.0.ask(Question::Delete { location: place(location) }, &[]).await?)
    }
}

fn done(answer: Answer) -> Result<()> {
    match answer {
        Answer::Done => Ok(()),
        other => Err(unsuitable(&other)),
    }
}

#[async_trait]
impl ReadObject for ReplayedRead {
    fn info(&self) -> &ObjectInfo {
        &self.info
    }

    async fn read(&self, offset: u64, length: u64, budget: &CallBudget) -> Result<ReadBytes> {
        let question = Question::Read { location: place(&self.info.location), offset, length };
        self.script.data(self.script.ask(question, &[]).await?, length, budget)
    }
}

impl ReplayedWrite {
    /// # Errors
    /// `invalid`: it was finished or aborted before, or a write failed.
    fn take(&mut self) -> Result<()> {
        match std::mem::take(&mut self.is_open) {
            true => Ok(()),
            false => Err(Error::invalid(format!(
                "the upload of `{}` was finished or aborted before, or a write of it failed",
                self.location.label()
            ))),
        }
    }
}

#[async_trait]
impl WriteObject for ReplayedWrite {
    fn is_open(&self) -> bool {
        self.is_open
    }

    async fn write(&mut self, bytes: Bytes, _: &CallBudget) -> Result<()> {
        let question =
            Question::Write { location: place(&self.location), data: Payload::of(&bytes) };
        let answer = self.script.ask(question, &[bytes]).await;
        self.take()?;
        done(answer?)?;
        self.is_open = true;
        Ok(())
    }

    async fn finish(&mut self, _: &CallBudget) -> Result<Stored> {
        let answer =
            self.script.ask(Question::Finish { location: place(&self.location) }, &[]).await;
        self.take()?;
        stored(answer?, &self.location)
    }

    async fn abort(&mut self, _: &CallBudget) -> Result<()> {
        self.is_open = false;
        done(self.script.ask(Question::Abort { location: place(&self.location) }, &[]).await?)
    }
}
