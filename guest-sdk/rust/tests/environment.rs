//! The testing environment follows the contract, so that an action that passes here works on a
//! host.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::time::Duration;

use keynet_inference_sdk::prelude::*;
use keynet_inference_sdk::testing::{Environment, Written};
use keynet_inference_sdk::{ModelMetadata, PutOptions, TensorInfo};

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn objects_are_stored_and_found() -> Result<()> {
    let environment =
        Environment::new().object("in.txt", "in").object("https://example.com/cat.png", [1, 2]);
    environment.run(|| {
        let storage = Storage::new()?;
        assert_eq!(storage.get("in.txt")?, b"in");
        assert_eq!(storage.get("https://example.com/cat.png")?, [1, 2]);
        assert_eq!(kind(storage.get("out.txt")), ErrorKind::NotFound);
        assert_eq!(
            kind(storage.put_at("https://example.com/cat.png", "", None)),
            ErrorKind::Invalid
        );
        assert_eq!(kind(storage.get("s3://bucket")), ErrorKind::Invalid);

        let stored = storage.put("new", "text/plain")?;
        assert_eq!(storage.get(&stored.url)?, b"new");
        assert_eq!(
            storage.get_if_changed(&stored.location, stored.etag.as_deref().unwrap())?,
            None
        );
        let info = storage.head(&stored.location)?;
        assert_eq!(
            (info.size, info.content_type.as_deref(), info.etag),
            (3, Some("text/plain"), stored.etag.clone())
        );

        let changed = PutOptions::at(&stored.location).if_match(stored.etag.unwrap());
        storage.put_with("newer", &changed)?;
        assert_eq!(kind(storage.put_with("newest", &changed)), ErrorKind::PreconditionFailed);
        storage.delete("in.txt")?;
        storage.delete("in.txt")
    })?;
    let written: Vec<Vec<u8>> =
        environment.written().into_iter().map(|object| object.data).collect();
    assert_eq!(written, [b"newer"]);
    Ok(())
}

#[test]
fn an_open_object_is_read_in_parts() -> Result<()> {
    Environment::new().object_of_type("lines", "one\ntwo\nthree", "text/plain").run(|| {
        let storage = Storage::new()?;
        let mut object = storage.open("lines")?;
        assert_eq!((object.size(), object.content_type().as_deref()), (13, Some("text/plain")));
        assert_eq!(object.read_at(4, 3)?, b"two");
        object.seek(SeekFrom::End(-5))?;
        let mut end = String::new();
        object.read_to_string(&mut end)?;
        assert_eq!(end, "three");
        object.rewind()?;
        assert_eq!(BufReader::new(&mut object).lines().count(), 3);
        assert!(
            object.seek(SeekFrom::Start(1)).is_ok() && object.seek(SeekFrom::Current(-2)).is_err()
        );

        let tensor = object.to_tensor(DataType::Uint8, &[13])?;
        assert_eq!(tensor.read::<u8>(0..3)?, b"one");
        assert_eq!(kind(object.to_tensor(DataType::Fp32, &[13])), ErrorKind::Invalid);

        storage.put_at("lines", "replaced", None)?;
        // The kind is preserved through `std::io`.
        let error = Error::from(object.read(&mut [0; 4]).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
        storage.delete("lines")?;
        assert_eq!(kind(object.read_at(0, 1)), ErrorKind::NotFound);
        Ok(())
    })
}

#[test]
fn an_upload_is_seen_only_when_finished() -> Result<()> {
    let environment = Environment::new();
    environment.run(|| {
        let storage = Storage::new()?;
        let mut upload = storage.upload("big", "application/x-big")?;
        for _ in 0..3 {
            upload.write_all(&[7; 200_000])?;
        }
        assert_eq!(kind(storage.head("big")), ErrorKind::NotFound);
        assert_eq!(upload.finish()?.location, "big");

        let mut forgotten = storage.upload("forgotten", None)?;
        forgotten.write_all(b"x")?;
        forgotten.flush()?;
        drop(forgotten);
        storage.upload(None, None)?.abort()
    })?;
    let expected = Written {
        location: "big".into(),
        data: vec![7; 600_000],
        content_type: Some("application/x-big".into()),
    };
    assert_eq!(environment.written(), [expected]);
    Ok(())
}

#[test]
fn a_listing_goes_over_all_pages() -> Result<()> {
    let mut environment = Environment::new().object("other", "").object("s3://bucket/many/1", "");
    for index in 0..2500 {
        environment = environment.object(format!("many/{index:04}"), "");
    }
    environment.run(|| {
        let storage = Storage::new()?;
        let all = storage.list("many/").collect::<Result<Vec<_>>>()?;
        assert_eq!(all.len(), 2500);
        assert!(all.is_sorted_by_key(|object| object.location.clone()));
        assert_eq!(storage.list("").count(), 2501);
        assert_eq!(storage.list("s3://bucket/").count(), 1);
        assert_eq!(storage.list("https://example.com").filter(Result::is_err).count(), 1);
        Ok(())
    })
}

#[test]
fn presigned_urls() -> Result<()> {
    Environment::new().object("a", "1").run(|| {
        let storage = Storage::new()?;
        assert_eq!(storage.get(storage.presign("a", Duration::from_secs(60))?)?, b"1");
        assert_eq!(kind(storage.presign("a", Duration::from_secs(8 * 86_400))), ErrorKind::Invalid);
        assert_eq!(storage.presign_put("b", "image/png", None)?.location, "b");
        Ok(())
    })
}

fn sum_model(environment: Environment) -> Environment {
    environment.model("sum", |inputs| {
        let numbers = inputs.get("numbers")?.elements::<i32>()?;
        let sum = Tensor::from_slice(&[1], &[numbers.iter().sum::<i32>()])?;
        let count = Tensor::from_slice(&[1], &[i64::try_from(numbers.len())?])?;
        Ok([("sum", sum), ("count", count)])
    })
}

#[test]
fn models_are_asked() -> Result<()> {
    sum_model(Environment::new()).run(|| {
        let triton = Triton::new()?;
        let numbers = Tensor::from_slice(&[3], &[1, 2, 3])?;
        let outputs = triton.predict([("numbers", &numbers)])?;
        assert_eq!((outputs["sum"].item::<i32>()?, outputs[1].item::<i64>()?), (6, 3));
        assert_eq!(outputs.names().collect::<Vec<_>>(), ["sum", "count"]);
        assert_eq!(
            outputs.get("mean").unwrap_err().message(),
            "there is no tensor `mean`: there is `sum`, `count`"
        );

        let asked = triton
            .request([("numbers", &numbers)])
            .model("models:/sum@champion")
            .outputs(["count"]);
        assert_eq!(asked.clone().parameter("priority", 1).predict()?.len(), 1);
        assert_eq!(kind(asked.clone().parameter("list", vec![1]).predict()), ErrorKind::Invalid);
        assert_eq!(kind(asked.clone().timeout(Duration::ZERO).predict()), ErrorKind::Timeout);
        assert_eq!(kind(asked.clone().outputs(["mean"]).predict()), ErrorKind::Invalid);
        assert_eq!(kind(asked.clone().model("product").predict()), ErrorKind::NotFound);

        let wrong = Tensor::from_slice(&[1], &[0.5_f32])?;
        let many = triton.predict_many([asked.clone(), triton.request([("numbers", &wrong)])]);
        assert!(many[0].is_ok() && many[1].is_err());
        let too_many = triton.predict_many(vec![asked; 257]);
        assert!(
            too_many.len() == 257
                && too_many.into_iter().all(|one| kind(one) == ErrorKind::TooLarge)
        );
        Ok(())
    })
}

#[test]
fn a_model_may_answer_many_times() -> Result<()> {
    let environment = Environment::new().stream_model("count", |_| {
        (0..3).map(|n| Ok([("n", Tensor::from_slice(&[], &[n])?)])).collect::<Result<Vec<_>>>()
    });
    environment.run(|| {
        let triton = Triton::with_model("count")?;
        let answers = triton.predict_stream::<&str>([])?;
        let numbers =
            answers.map(|answer| answer?["n"].item::<i32>()).collect::<Result<Vec<_>>>()?;
        assert_eq!(numbers, [0, 1, 2]);
        assert_eq!(kind(triton.predict::<&str>([])), ErrorKind::Invalid);
        Ok(())
    })
}

#[test]
fn a_fake_model_may_use_storage_and_fail() {
    let environment = Environment::new().model("reader", |_| -> Result<[(String, Tensor); 0]> {
        Storage::new()?.get("missing")?;
        Ok([])
    });
    assert_eq!(kind(environment.run(|| Triton::new()?.predict::<&str>([]))), ErrorKind::NotFound);
}

#[test]
fn metadata_and_no_model() -> Result<()> {
    let metadata = ModelMetadata {
        name: "sum".into(),
        versions: vec!["1".into()],
        platform: "onnxruntime_onnx".into(),
        inputs: vec![TensorInfo {
            name: "numbers".into(),
            data_type: DataType::Int32,
            shape: vec![-1],
        }],
        outputs: Vec::new(),
    };
    sum_model(Environment::new()).metadata(metadata.clone()).run(|| {
        assert_eq!(Triton::new()?.metadata()?, metadata);
        Ok(())
    })?;
    assert_eq!(kind(Environment::new().run(|| Triton::new()?.metadata())), ErrorKind::Unavailable);
    Ok(())
}
