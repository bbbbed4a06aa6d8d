//! Objects whose calls are recorded.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use keynet_base::budget::CallBudget;
use keynet_base::error::Result;
use keynet_object_storage::{
    ContentType, Location, ObjectInfo, ObjectKey, Objects, Page, Prefix, PutConditions, ReadBytes,
    ReadObject, Stored, WriteGrant, WriteObject,
};
use url::Url;

use super::calls::{Answer, ObjectRecord, Question};
use super::recorder::Tape;
use crate::capabilities::Backend;

/// Objects whose calls are recorded.
pub(super) struct RecordedObjects {
    own: Backend<dyn Objects>,
    default_bucket: String,
    tape: Arc<Tape>,
}

/// Open object whose reads are recorded.
struct RecordedRead {
    own: Box<dyn ReadObject>,
    tape: Arc<Tape>,
}

/// Upload whose parts are recorded.
struct RecordedWrite {
    own: Box<dyn WriteObject>,
    location: String,
    tape: Arc<Tape>,
}

impl RecordedObjects {
    pub(super) fn new(own: Backend<dyn Objects>, default_bucket: String, tape: Arc<Tape>) -> Self {
        Self { own, default_bucket, tape }
    }

    fn place(&self, location: &Location) -> String {
        self.tape.veil.location(location)
    }
}

fn stored(tape: &Tape, stored: &Stored) -> Answer {
    Answer::Stored {
        location: tape.veil.location(&stored.location),
        url: tape.veil.url(&stored.url),
        etag: stored.etag.clone(),
    }
}

#[async_trait]
impl Objects for RecordedObjects {
    fn default_bucket(&self) -> &str {
        &self.default_bucket
    }

    fn new_key(&self) -> ObjectKey {
        let number = self.tape.ask(Question::NewKey {});
        let key = self.own.as_ref().map_or_else(|_| ObjectKey::new_random(), |own| own.new_key());
        self.tape.answer(number, Answer::Key(key.to_string()));
        key
    }

    async fn get(
        &self,
        location: &Location,
        if_none_match: Option<String>,
        budget: &CallBudget,
    ) -> Result<ReadBytes> {
        let question =
            Question::Get { location: self.place(location), if_none_match: if_none_match.clone() };
        let call = async { self.own.clone()?.get(location, if_none_match, budget).await };
        self.tape.record_read(question, call).await
    }

    async fn open(&self, location: &Location, budget: &CallBudget) -> Result<Box<dyn ReadObject>> {
        let question = Question::Open { location: self.place(location) };
        let call = async { self.own.clone()?.open(location, budget).await };
        let veil = &self.tape.veil;
        let own = self
            .tape
            .record(question, call, |object| Answer::Object(ObjectRecord::of(object.info(), veil)))
            .await?;
        Ok(Box::new(RecordedRead { own, tape: Arc::clone(&self.tape) }))
    }

    async fn head(&self, location: &Location, budget: &CallBudget) -> Result<ObjectInfo> {
        let question = Question::Head { location: self.place(location) };
        let call = async { self.own.clone()?.head(location, budget).await };
        let answer = |info: &ObjectInfo| Answer::Object(ObjectRecord::of(info, &self.tape.veil));
        self.tape.record(question, call, answer).await
    }

    async fn put(
        &self,
        bytes: Bytes,
        location: Location,
        content_type: Option<ContentType>,
        conditions: PutConditions,
        budget: &CallBudget,
    ) -> Result<Stored> {
        let question = Question::Put {
            location: self.place(&location),
            content_type: content_type.as_ref().map(ToString::to_string),
            if_match: conditions.if_match.clone(),
            if_none_match: conditions.if_none_match.clone(),
            data: self.tape.payload(&bytes).await,
        };
        let call = async {
            self.own.clone()?.put(bytes, location, content_type, conditions, budget).await
        };
        self.tape.record(question, call, |answer| stored(&self.tape, answer)).await
    }

    async fn create_upload(
        &self,
        location: Location,
        content_type: Option<ContentType>,
        budget: &CallBudget,
    ) -> Result<Box<dyn WriteObject>> {
        let place = self.place(&location);
        let question = Question::CreateUpload {
            location: place.clone(),
            content_type: content_type.as_ref().map(ToString::to_string),
        };
        let call = async { self.own.clone()?.create_upload(location, content_type, budget).await };
        let own = self.tape.record(question, call, |_| Answer::Done).await?;
        Ok(Box::new(RecordedWrite { own, location: place, tape: Arc::clone(&self.tape) }))
    }

    async fn presign(
        &self,
        location: &Location,
        ttl: Option<Duration>,
        budget: &CallBudget,
    ) -> Result<Url> {
        let question = Question::Presign {
            location: self.place(location),
            ttl_seconds: ttl.map(|ttl| ttl.as_secs()),
        };
        let call = async { self.own.clone()?.presign(location, ttl, budget).await };
        self.tape.record(question, call, |url| Answer::Url(self.tape.veil.url(url))).await
    }

    async fn presign_put(
        &self,
        location: Location,
        content_type: Option<ContentType>,
        ttl: Option<Duration>,
        budget: &CallBudget,
    ) -> Result<WriteGrant> {
        let question = Question::PresignPut {
            location: self.place(&location),
            content_type: content_type.as_ref().map(ToString::to_string),
            ttl_seconds: ttl.map(|ttl| ttl.as_secs()),
        };
        let call =
            async { self.own.clone()?.presign_put(location, content_type, ttl, budget).await };
        let answer = |grant: &WriteGrant| Answer::WriteGrant {
            location: self.place(&grant.location),
            url: self.tape.veil.url(&grant.url),
        };
        self.tape.record(question, call, answer).await
    }

    async fn list(
        &self,
        prefix: &Prefix,
        cursor: Option<&str>,
        budget: &CallBudget,
    ) -> Result<Page> {
        let question =
            Question::List { prefix: prefix.to_string(), cursor: cursor.map(str::to_owned) };
        let call = async { self.own.clone()?.list(prefix, cursor, budget).await };
        let object = |info: &ObjectInfo| ObjectRecord::of(info, &self.tape.veil);
        let answer = |page: &Page| Answer::Page {
            objects: page.objects.iter().map(object).collect(),
            next: page.next.clone(),
        };
        self.tape.record(question, call, answer).await
    }

    async fn delete(&self, location: &Location, budget: &CallBudget) -> Result<()> {
        let question = Question::Delete { location: self.place(location) };
        let call = async { self.own.clone()?.delete(location, budget).await };
        self.tape.record(question, call, |()| Answer::Done).await
    }
}

#[async_trait]
impl ReadObject for RecordedRead {
    fn info(&self) -> &ObjectInfo {
        self.own.info()
    }

    async fn read(&self, offset: u64, length: u64, budget: &CallBudget) -> Result<ReadBytes> {
        let location = self.tape.veil.location(&self.own.info().location);
        let question = Question::Read { location, offset, length };
        self.tape.record_read(question, self.own.read(offset, length, budget)).await
    }
}

#[async_trait]
impl WriteObject for RecordedWrite {
    fn is_open(&self) -> bool {
        self.own.is_open()
    }

    async fn write(&mut self, bytes: Bytes, budget: &CallBudget) -> Result<()> {
        let data = self.tape.payload(&bytes).await;
        let question = Question::Write { location: self.location.clone(), data };
        self.tape.record(question, self.own.write(bytes, budget), |()| Answer::Done).await
    }

    async fn finish(&mut self, budget: &CallBudget) -> Result<Stored> {
        let question = Question::Finish { location: self.location.clone() };
        let tape = &self.tape;
        tape.record(question, self.own.finish(budget), |answer| stored(tape, answer)).await
    }

    async fn abort(&mut self, budget: &CallBudget) -> Result<()> {
        let question = Question::Abort { location: self.location.clone() };
        self.tape.record(question, self.own.abort(budget), |()| Answer::Done).await
    }
}
