//! Memory that a guest can make the host hold, with embedded storage and models.

use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::component::{Resource, ResourceTable};

use super::bindings::keynet::inference::storage::{
    self as storage_wit, Host as _, HostObject as _, HostUpload as _,
};
use super::bindings::keynet::inference::triton_predict::{self as wit, Host as _, HostTensor as _};
use super::bindings::keynet::inference::types;
use super::held::HANDLE;
use super::storage::{StorageCtx, StorageView};
use super::triton_predict::{OpenTensor, TritonPredictCtx, TritonPredictView};
use super::{CallContext, CallError, Meter};
use crate::policy::Policy;
use keynet_artifact::CapabilityRequest;
use keynet_base::budget::MemoryBudget;
use keynet_base::error::{Error, ErrorKind};
use keynet_base::limits;
use keynet_models::inference::embedded::{EmbeddedInference, EmbeddedLimits};
use keynet_object_storage::ObjectStorage;
use keynet_object_storage::folder_store::{
    DEFAULT_BUCKET, DEFAULT_PUBLIC_URL, FolderStore, FolderStoreSettings,
};

const MIB: u64 = 1 << 20;

/// Capabilities of one activation, with a limit of memory.
struct Activation {
    storage: StorageCtx,
    triton: TritonPredictCtx,
    table: ResourceTable,
    memory: MemoryBudget,
    meter: Meter,
    _place: tempfile::TempDir,
}

impl Activation {
    fn with(memory: u64) -> Self {
        let place = tempfile::tempdir().unwrap();
        let store = FolderStore::open(FolderStoreSettings {
            folder: place.path().join("objects"),
            state: keynet_base::state::StateDir::new(place.path().join("state")),
            bucket: DEFAULT_BUCKET.to_owned(),
            public_url: Some(DEFAULT_PUBLIC_URL.parse().unwrap()),
            internal_url: None,
            max_total: None,
        });
        let storage = Arc::new(ObjectStorage::new(
            store.unwrap().bucket(),
            keynet_object_storage::StorageLimits::default(),
        ));
        let models = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("crates/models/tests/models");
        let models = Arc::new(EmbeddedInference::open(&models, EmbeddedLimits::default()).unwrap());
        let (grants, calls) = (
            Arc::new(Policy::local().grants(&CapabilityRequest::default())),
            CallContext::with_memory(memory, Meter::default()),
        );
        Self {
            memory: calls.memory().clone(),
            meter: calls.meter.clone(),
            storage: StorageCtx::new(Ok(storage), grants.clone(), calls.clone()),
            triton: TritonPredictCtx::new(Ok(models), None, grants, calls),
            table: ResourceTable::new(),
            _place: place,
        }
    }

    fn storage(&mut self) -> StorageView<'_> {
        StorageView { ctx: &mut self.storage, table: &mut self.table }
    }

    fn triton(&mut self) -> TritonPredictView<'_> {
        TritonPredictView { ctx: &mut self.triton, table: &mut self.table }
    }

    async fn tensor(&mut self, bytes: usize) -> Result<Resource<OpenTensor>, CallError> {
        self.triton().create(wit::DataType::Uint8, vec![bytes as i64], vec![0; bytes]).await
    }

    async fn put(&mut self, location: &str, bytes: usize) {
        self.storage()
            .put(vec![7; bytes], Some(location.to_owned()), None, None, None)
            .await
            .unwrap();
    }
}

/// Returns a handle as the guest lends it for a call.
fn borrowed<T: 'static>(resource: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(resource.rep())
}

fn request(inputs: Vec<wit::Input>) -> wit::Request {
    wit::Request {
        model: "linear".to_owned(),
        inputs,
        outputs: Vec::new(),
        timeout_ms: None,
        parameters: String::new(),
    }
}

#[track_caller]
fn refused<T>(answer: Result<T, CallError>) -> Error {
    match answer {
        Err(CallError::Answer(error)) => error,
        Err(CallError::Trap(trap)) => panic!("a trap: {trap}"),
        Ok(_) => panic!("no refusal"),
    }
}

#[tokio::test]
async fn a_get_is_counted_until_the_guest_has_it() {
    let mut activation = Activation::with(64 * MIB);
    activation.put("a", 40 << 20).await;
    assert_eq!(activation.memory.used(), 0);
    assert_eq!(activation.storage().get("a".to_owned(), None).await.unwrap().len(), 40 << 20);
    // The guest's memory cannot grow beyond the rest while the copy exists.
    assert_eq!(activation.memory.used(), 40 * MIB);
    assert!(activation.memory.reserve(40 * MIB, "a growth of a linear memory").is_err());
    activation.storage().head("a".to_owned()).await.unwrap();
    assert_eq!(activation.memory.used(), 0);
    // The copy does not count together with the bytes of the next call.
    activation.storage().get("a".to_owned(), None).await.unwrap();
    activation.put("b", 40 << 20).await;
    activation.storage().get("a".to_owned(), None).await.unwrap();
    activation.tensor(40 << 20).await.unwrap();
}

#[tokio::test]
async fn a_part_of_an_object_is_counted_until_the_guest_has_it() {
    let mut activation = Activation::with(64 * MIB);
    activation.put("a", 40 << 20).await;
    let object = activation.storage().open("a".to_owned()).await.unwrap();
    let open = activation.memory.used();
    assert!((HANDLE + 1..HANDLE + 200).contains(&open), "{open}");
    assert_eq!(
        activation.storage().read(borrowed(&object), 0, 30 << 20).await.unwrap().len(),
        30 << 20
    );
    assert_eq!(activation.memory.used(), open + 30 * MIB);
    activation.meter.lowered();
    let data_type = wit::DataType::Uint8;
    let tensor =
        activation.storage().to_tensor(borrowed(&object), data_type, vec![40 << 20]).await.unwrap();
    assert_eq!(activation.memory.used(), open + HANDLE + 40 * MIB);
    activation.triton().drop(tensor).unwrap();
    storage_wit::HostObject::drop(&mut activation.storage(), object).unwrap();
    assert_eq!(activation.memory.used(), 0);
}

#[tokio::test]
async fn a_copy_of_a_tensor_is_counted_until_the_guest_has_it() {
    let mut activation = Activation::with(100 * MIB);
    let tensor = activation.tensor(40 << 20).await.unwrap();
    let held = 40 * MIB + HANDLE;
    assert_eq!(activation.memory.used(), held);
    assert_eq!(activation.triton().data(borrowed(&tensor)).unwrap().len(), 40 << 20);
    assert_eq!(activation.memory.used(), held + 40 * MIB);
    assert_eq!(activation.triton().read(borrowed(&tensor), 10, 1000).unwrap().len(), 1000);
    assert_eq!(activation.memory.used(), held + 1000);
    activation.triton().drop(tensor).unwrap();
    assert_eq!(activation.memory.used(), 0);
}

#[tokio::test]
async fn tensors_without_elements_are_counted_too() {
    let mut activation = Activation::with(100 * HANDLE);
    let absurd =
        refused(activation.triton().create(wit::DataType::Uint8, vec![1; 60 << 17], vec![0]).await);
    assert!(absurd.kind == ErrorKind::Invalid && absurd.message.contains("dimensions"), "{absurd}");
    let mut tensors = Vec::new();
    let refusal = loop {
        match activation.tensor(0).await {
            Ok(tensor) => tensors.push(tensor),
            refusal => break refused(refusal),
        }
    };
    assert_eq!((refusal.kind, tensors.len()), (ErrorKind::TooLarge, 100));
}

#[tokio::test]
async fn the_ninth_open_upload_is_refused_and_a_finished_one_makes_room() {
    let mut activation = Activation::with(64 * MIB);
    let mut uploads = Vec::new();
    for number in 0..limits::UPLOADS {
        uploads.push(
            activation.storage().create_upload(Some(format!("u/{number}")), None).await.unwrap(),
        );
    }
    let refusal =
        refused(activation.storage().create_upload(Some("u/ninth".to_owned()), None).await);
    assert_eq!(refusal.kind, ErrorKind::TooLarge);
    assert!(refusal.message.starts_with("8 uploads are open"), "{refusal}");
    activation.storage().finish(borrowed(&uploads[0])).await.unwrap();
    uploads.push(activation.storage().create_upload(None, None).await.unwrap());
    activation.storage().abort(borrowed(&uploads[1])).await.unwrap();
    uploads.push(activation.storage().create_upload(None, None).await.unwrap());
    refused(activation.storage().create_upload(None, None).await);
    assert!(activation.memory.used() >= 10 * HANDLE);
    for upload in uploads {
        storage_wit::HostUpload::drop(&mut activation.storage(), upload).unwrap();
    }
    assert_eq!(activation.memory.used(), 0);
    activation.storage().create_upload(None, None).await.unwrap();
}

#[tokio::test]
async fn what_is_written_is_counted() {
    let mut activation = Activation::with(MIB);
    let put = activation.storage().put(vec![0; 2 << 20], None, None, None, None).await;
    assert_eq!(refused(put).kind, ErrorKind::TooLarge);
    let upload = activation.storage().create_upload(None, None).await.unwrap();
    let write = activation.storage().write(borrowed(&upload), vec![0; 2 << 20]).await;
    assert_eq!(refused(write).kind, ErrorKind::TooLarge);
    activation.storage().write(borrowed(&upload), vec![0; 1 << 19]).await.unwrap();
    activation.storage().finish(borrowed(&upload)).await.unwrap();
}

#[tokio::test]
async fn what_is_known_of_a_model_is_counted_until_the_guest_has_it() {
    let mut activation = Activation::with(MIB);
    let metadata = activation.triton().metadata("linear".to_owned()).await.unwrap();
    let infos = metadata.inputs.len() + metadata.outputs.len();
    assert!(
        activation.memory.used() as usize
            > infos * size_of::<wit::TensorInfo>() + metadata.name.len()
    );
    activation.meter.lowered();
    assert_eq!(activation.memory.used(), 0);
}

#[tokio::test]
async fn a_stream_is_counted_with_its_request_while_it_is_open() {
    let mut activation = Activation::with(64 * MIB);
    let tensor =
        activation.triton().create(wit::DataType::Fp32, vec![1, 3], vec![0; 12]).await.unwrap();
    let before = activation.memory.used();
    let input = wit::Input { name: "x".to_owned(), tensor: borrowed(&tensor) };
    let stream = activation.triton().predict_stream(request(vec![input])).await.unwrap();
    assert!(
        activation.memory.used() >= before + HANDLE + (16 << 10),
        "{}",
        activation.memory.used() - before
    );
    wit::HostPredictionStream::drop(&mut activation.triton(), stream).unwrap();
    assert_eq!(activation.memory.used(), before);
}

#[tokio::test]
async fn a_page_of_a_listing_is_counted_until_the_guest_has_it() {
    let mut activation = Activation::with(64 * MIB);
    for number in 0..20 {
        activation.put(&format!("{number:0200}"), 1).await;
    }
    let page = activation.storage().list(String::new(), None).await.unwrap();
    let text: usize = page.objects.iter().map(|object| object.location.len()).sum();
    assert_eq!((page.objects.len(), text), (20, 4000));
    let types = 20 * size_of::<storage_wit::ObjectInfo>() + text;
    assert!(activation.memory.used() > types as u64, "{}", activation.memory.used());
    activation.meter.lowered();
    assert_eq!(activation.memory.used(), 0);
    let cursor = Some("61".repeat(30 << 20));
    assert_eq!(
        refused(activation.storage().list(String::new(), cursor).await).kind,
        ErrorKind::Invalid
    );
}

#[tokio::test]
async fn a_model_of_sixty_mebibytes_is_refused_in_a_short_sentence() {
    let mut activation = Activation::with(64 * MIB);
    let refusal = refused(activation.triton().metadata("\u{1}".repeat(60 << 20)).await);
    assert_eq!(refusal.kind, ErrorKind::Invalid);
    assert!(refusal.message.len() < 2500, "{} bytes", refusal.message.len());
}

#[tokio::test]
async fn a_request_is_counted_while_it_is_asked() {
    let mut activation = Activation::with(64 * MIB);
    let tensor = activation.tensor(4).await.unwrap();
    let named = |names: usize, bytes: usize| {
        let input = |_| wit::Input { name: "n".repeat(bytes), tensor: borrowed(&tensor) };
        request((0..names).map(input).collect())
    };
    let before = activation.memory.used();
    assert_eq!(
        refused(activation.triton().predict(named(1000, 100)).await).kind,
        ErrorKind::Invalid
    );
    assert!(activation.memory.peak() > before + 1000 * 1100, "{}", activation.memory.peak());
    assert_eq!(activation.memory.used(), before);

    let many =
        refused(activation.triton().predict(named(limits::TENSORS_OF_A_REQUEST + 1, 0)).await);
    assert_eq!(many.message, "1025 inputs in one request: there can be at most 1024");
    let long = refused(activation.triton().predict(named(1, limits::TENSOR_NAME + 1)).await);
    assert!(long.message.contains("the name of an input is longer"), "{long}");
    let outputs = |names: usize, bytes: usize| wit::Request {
        outputs: vec!["o".repeat(bytes); names],
        ..request(Vec::new())
    };
    assert_eq!(
        refused(activation.triton().predict(outputs(limits::TENSORS_OF_A_REQUEST + 1, 0)).await)
            .kind,
        ErrorKind::TooLarge
    );
    assert_eq!(
        refused(activation.triton().predict(outputs(1, limits::TENSOR_NAME + 1)).await).kind,
        ErrorKind::Invalid
    );
    let parameters = wit::Request { parameters: " ".repeat(60 << 20), ..request(Vec::new()) };
    assert_eq!(refused(activation.triton().predict(parameters).await).kind, ErrorKind::TooLarge);
}

#[tokio::test]
async fn the_requests_of_a_predict_many_are_counted_together() {
    let mut activation = Activation::with(16 * MIB);
    let tensor = activation.tensor(4).await.unwrap();
    let many = |requests: usize| {
        let inputs = || {
            (0..100)
                .map(|_| wit::Input { name: String::new(), tensor: borrowed(&tensor) })
                .collect()
        };
        (0..requests).map(|_| request(inputs())).collect::<Vec<_>>()
    };
    let kinds = async |activation: &mut Activation, requests| {
        let answers = activation.triton().predict_many(many(requests)).await.unwrap();
        assert_eq!(answers.len(), requests);
        answers.into_iter().map(|answer| Error::from(answer.unwrap_err()).kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&mut activation, 100).await, vec![ErrorKind::Invalid; 100]);
    assert_eq!(kinds(&mut activation, 256).await, vec![ErrorKind::TooLarge; 256]);
    assert_eq!(kinds(&mut activation, 257).await, vec![ErrorKind::TooLarge; 257]);
    // The results of more requests than are allowed are counted as well.
    let requests = (0..200_000).map(|_| request(Vec::new())).collect();
    assert!(activation.triton().predict_many(requests).await.is_err());
}

#[tokio::test]
async fn outputs_that_find_no_room_leave_nothing_behind() {
    let mut activation = Activation::with(64 * MIB);
    let tensor =
        activation.triton().create(wit::DataType::Fp32, vec![1, 3], vec![0; 12]).await.unwrap();
    activation.table.set_max_capacity(1);
    let before = activation.memory.used();
    let input = wit::Input { name: "x".to_owned(), tensor: borrowed(&tensor) };
    let refusal = refused(activation.triton().predict(request(vec![input])).await);
    assert_eq!(refusal.kind, ErrorKind::TooLarge, "{refusal}");
    activation.meter.lowered();
    assert_eq!(activation.memory.used(), before);
}

#[test]
fn messages_are_cut_on_both_ways() {
    let to_guest = types::Error::from(Error::invalid("x".repeat(60 << 20)));
    assert!(to_guest.message.len() < limits::MESSAGE_TO_GUEST + 40);
    let of_guest = Error::from(types::Error {
        kind: types::ErrorKind::Internal,
        message: "x".repeat(60 << 20),
    });
    assert!(of_guest.message.len() < limits::MESSAGE_OF_GUEST + 40);
}
