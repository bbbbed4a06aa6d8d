//! Responses of a server in its normal state.

use std::time::Duration;

use futures::future::join_all;
use keynet_base::ErrorKind;
use keynet_models::inference::{DataType, InferenceBackend};
use serde_json::json;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn every_element_type_comes_back_as_it_went() {
    let server = triton("identity identity_bf16", &[]);
    let backend = backend(&server, &[]);
    for data_type in DataType::ALL {
        let (model, input) = match data_type {
            DataType::Bf16 => ("identity_bf16", "IN".to_owned()),
            other => ("identity", format!("IN_{other}")),
        };
        let sent = match data_type {
            DataType::Bool => vec![tensor(DataType::Bool, &[3], vec![0, 1, 1])],
            DataType::Bytes => vec![
                words(&[b"", b"Ada", "안녕".as_bytes(), b"\xff\x00\xfe", &[7; 5000]]),
                words(&[b""]),
            ],
            other => {
                let size = other.size().unwrap();
                // Every byte value, which includes NaN.
                let bytes = (0..=255_u8)
                    .cycle()
                    .take(usize::try_from(size).unwrap() * 300)
                    .collect::<Vec<_>>();
                vec![
                    tensor(*other, &[300], bytes),
                    tensor(*other, &[1], vec![1; usize::try_from(size).unwrap()]),
                ]
            }
        };
        for sent in sent.into_iter().chain([tensor(*data_type, &[0], Vec::new())]) {
            let came = one(&backend, request(model, &[(input.as_str(), &sent)])).await;
            assert_eq!((came.data_type(), came.shape()), (*data_type, sent.shape()));
            assert!(
                came.data() == sent.data(),
                "{data_type}: {:?} is not {:?}",
                came.data(),
                sent.data()
            );
        }
    }
    // Triton's configuration cannot declare a tensor without dimensions, so it is rejected before
    // it is sent.
    let (kind, told) = kind(
        backend.predict(request("identity", &[("IN_FP32", &floats(&[], &[1.0]))]), &enough()).await,
    );
    assert_eq!(
        (kind, told.as_str()),
        (ErrorKind::Invalid, "model identity, input IN_FP32: expected FP32 [-1], got FP32 []")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_outputs_parameters_and_descriptions_are_as_asked() {
    let server = triton("add_sub parameters accumulate", &[]);
    let backend = backend(&server, &[]);
    let both =
        backend.predict(add_sub("add_sub", &[1.0, 2.0], &[10.0, 20.0]), &enough()).await.unwrap();
    let both: Vec<_> =
        both.iter().map(|output| (output.name.as_str(), f32s(&output.tensor))).collect();
    // version 2, the newest
    assert_eq!(both, [("OUTPUT0", vec![11.0, 22.0]), ("OUTPUT1", vec![9.0, 18.0])]);
    let turned = wanting(add_sub("add_sub:1", &[1.0], &[10.0]), &["OUTPUT1", "OUTPUT0"]);
    let turned = backend.predict(turned, &enough()).await.unwrap();
    let turned: Vec<_> =
        turned.iter().map(|output| (output.name.as_str(), f32s(&output.tensor))).collect();
    assert_eq!(turned, [("OUTPUT1", vec![-9.0]), ("OUTPUT0", vec![11.0])]);

    let sent = json!({ "priority": 1, "text": "안녕", "number": -3, "half": 0.5, "flag": true });
    let told = json_of(
        &one(&backend, with_parameters(request("parameters", &[("IN", &ints(&[1]))]), sent)).await,
    );
    assert_eq!(told, json!({ "text": "안녕", "number": -3, "half": 0.5, "flag": true }));

    // Two sequences at the same time, each with its own sum.
    for (sequence, start, number, sum) in
        [(7, true, 1, 1), (8, true, 10, 10), (7, false, 2, 3), (8, false, 20, 30), (7, false, 4, 7)]
    {
        let asked = with_parameters(
            request("accumulate", &[("IN", &ints(&[number]))]),
            json!({ "sequence_id": sequence, "sequence_start": start }),
        );
        assert_eq!(i32s(&one(&backend, asked).await), [sum]);
    }

    let metadata = backend.metadata(&"add_sub".parse().unwrap(), &enough()).await.unwrap();
    assert_eq!(
        (metadata.name.as_str(), metadata.versions, metadata.platform.as_str()),
        ("add_sub", vec!["1".to_owned(), "2".to_owned()], "python")
    );
    let inputs: Vec<_> = metadata
        .inputs
        .iter()
        .map(|info| (info.name.as_str(), info.data_type, info.shape.as_slice()))
        .collect();
    assert_eq!(
        inputs,
        [("INPUT0", DataType::Fp32, [-1, -1].as_slice()), ("INPUT1", DataType::Fp32, &[-1, -1])]
    );

    assert!(backend.server_ready(&enough()).await.unwrap());
    assert!(backend.model_ready(&"add_sub:2".parse().unwrap(), &enough()).await.unwrap());
    assert!(!backend.model_ready(&"add_sub:9".parse().unwrap(), &enough()).await.unwrap());
    let statistics = statistics_of(&backend, "add_sub:1", 1).await;
    assert_eq!(
        (
            statistics.len(),
            statistics[0].inferences,
            statistics[0].executions,
            statistics[0].success.times
        ),
        (1, 1, 1, 1)
    );
    assert!(statistics[0].compute.time > Duration::ZERO && statistics[0].batches[0].size == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_suit_the_model_is_refused_before_it_is_sent() {
    let server = triton("add_sub failing", &[]);
    let backend = backend(&server, &[]);
    let refused = async |request| kind(backend.predict(request, &enough()).await);
    let (one, two) = (floats(&[1, 2], &[0.0; 2]), floats(&[17, 1], &[0.0; 17]));
    let whole = tensor(DataType::Int32, &[1, 2], vec![0; 8]);
    for (request, text) in [
        (
            request("add_sub", &[("INPUT0", &one)]),
            "model add_sub: input INPUT1 is missing; expected FP32 [-1,-1]",
        ),
        (
            request("add_sub", &[("INPUT0", &whole), ("INPUT1", &one)]),
            "input INPUT0: expected FP32 [-1,-1], got INT32 [1,2]",
        ),
        (
            request("add_sub", &[("INPUT0", &floats(&[2], &[0.0; 2])), ("INPUT1", &one)]),
            "expected FP32 [-1,-1], got FP32 [2]",
        ),
        (
            request("add_sub", &[("INPUT0", &two), ("INPUT1", &two)]),
            "the batch, dimension 0, is 1 to 16 (max_batch_size in its config.pbtxt), got 17",
        ),
        (
            request("add_sub", &[("INPUT0", &one), ("INPUT1", &floats(&[2, 1], &[0.0; 2]))]),
            "a batch of 2, but input INPUT0 has a batch of 1",
        ),
        (
            request("add_sub", &[("INPUT0", &one), ("INPUT1", &one), ("X", &one)]),
            "model add_sub has no input \"X\"; it has INPUT0 FP32 [-1,-1], INPUT1",
        ),
        (request("add_sub", &[("INPUT0", &one), ("INPUT0", &one)]), "input INPUT0 was given twice"),
        (
            wanting(add_sub("add_sub", &[1.0], &[1.0]), &["SUM"]),
            "model add_sub has no output \"SUM\"; it has OUTPUT0 FP32 [-1,-1], OUTPUT1",
        ),
    ] {
        let (kind, told) = refused(request).await;
        assert!(kind == ErrorKind::Invalid && told.contains(text), "{kind}: {told}");
    }
    let statistics = backend.statistics(&"add_sub".parse().unwrap(), &enough()).await.unwrap();
    assert!(
        statistics.iter().all(|version| version.failure.times == 0 && version.success.times == 0),
        "{statistics:?}"
    );

    for (request, expected, text) in [
        (
            add_sub("nobody", &[1.0], &[1.0]),
            ErrorKind::NotFound,
            "model nobody: Request for unknown model: 'nobody' is not found",
        ),
        (add_sub("add_sub:7", &[1.0], &[1.0]), ErrorKind::NotFound, "model add_sub:7: "),
        (
            add_sub("models:/add_sub/1", &[1.0], &[1.0]),
            ErrorKind::Unavailable,
            "set MLFLOW_TRACKING_URI",
        ),
        (
            with_parameters(add_sub("add_sub", &[1.0], &[1.0]), json!({ "triton_x": 1 })),
            ErrorKind::Invalid,
            "triton_",
        ),
        // Conditions that only the model can check.
        (
            request("add_sub", &[("INPUT0", &one), ("INPUT1", &floats(&[1, 1], &[0.0]))]),
            ErrorKind::Invalid,
            "INPUT0 (1, 2) and INPUT1 (1, 1) differ",
        ),
    ] {
        let (kind, told) = refused(request).await;
        assert!(kind == expected && told.contains(text), "{kind}: {told}");
    }
    for (code, expected) in [
        ("INVALID_ARG", ErrorKind::Invalid),
        ("NOT_FOUND", ErrorKind::NotFound),
        ("INTERNAL", ErrorKind::Internal),
        ("UNKNOWN", ErrorKind::Internal),
        ("ALREADY_EXISTS", ErrorKind::Internal),
        ("UNSUPPORTED", ErrorKind::Invalid),
        ("CANCELLED", ErrorKind::Unavailable),
    ] {
        let (kind, told) =
            refused(request("failing", &[("CODE", &words(&[code.as_bytes()]))])).await;
        assert!(
            kind == expected
                && told.starts_with("model failing: ")
                && told.contains(&format!("model failed with {code}")),
            "{kind}: {told}"
        );
    }
    let (kind, told) = refused(request("failing", &[("CODE", &words(&[b"RAISE"]))])).await;
    assert!(
        kind == ErrorKind::Internal && told.contains("model raised") && !told.contains('\n'),
        "{kind}: {told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_pass_and_larger_than_allowed_do_not() {
    let server = triton("identity", &[]);
    let backend = backend(&server, &[]);
    let large = tensor(
        DataType::Uint8,
        &[20 << 20],
        (0..20 << 20)
            .map(|index: u32| index.to_le_bytes()[1] ^ index.to_le_bytes()[2])
            .collect::<Vec<_>>(),
    );
    let asked = || request("identity", &[("IN_UINT8", &large)]);
    assert!(one(&backend, asked()).await.data() == large.data());

    let narrow = crate::support::backend(&server, &[("KEYNET_TRITON_MESSAGE_BYTES", "10MiB")]);
    let (kind_of_it, told) = kind(narrow.predict(asked(), &enough()).await);
    assert!(
        kind_of_it == ErrorKind::TooLarge && told.contains("KEYNET_TRITON_MESSAGE_BYTES"),
        "{told}"
    );

    // The response of 20 MiB is rejected before it is read; the request fits in the activation's
    // memory.
    let mut budget = enough();
    budget.memory = keynet_base::budget::MemoryBudget::process(1 << 30).activation(1 << 20);
    let (kind_of_it, told) = kind(backend.predict(asked(), &budget).await);
    assert!(kind_of_it == ErrorKind::TooLarge && told.contains("KEYNET_MEMORY"), "{told}");
    assert_eq!(budget.memory.used(), 0);

    // The response's memory remains reserved until its last tensor is dropped.
    let budget = enough();
    let answer = backend.predict(asked(), &budget).await.unwrap();
    assert!((20 << 20..21 << 20).contains(&budget.memory.used()), "{}", budget.memory.used());
    drop(answer);
    assert_eq!(budget.memory.used(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_reach_the_servers_batcher_together() {
    let server = triton("add_sub", &[]);
    let backend = backend(&server, &[]);
    backend.predict(add_sub("add_sub:1", &[0.0], &[0.0]), &enough()).await.unwrap();
    for _ in 0..10 {
        let budget = enough();
        let asked = (0..256_u16).map(|number| {
            backend.predict(add_sub("add_sub:1", &[f32::from(number)], &[1.0]), &budget)
        });
        for (number, answer) in (0..256_u16).zip(join_all(asked).await) {
            assert_eq!(f32s(&answer.unwrap()[0].tensor), [f32::from(number) + 1.0]);
        }
    }
    let statistics = statistics_of(&backend, "add_sub:1", 2561).await;
    assert_eq!(statistics[0].inferences, 2561);
    assert!(statistics[0].executions * 2 < statistics[0].inferences, "{statistics:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_was_replaced_is_described_anew() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("echo");
    std::fs::create_dir_all(model.join("1")).unwrap();
    let python = "import triton_python_backend_utils as pb\n\nclass TritonPythonModel:\n    def \
        execute(self, requests):\n        \
                  return [pb.InferenceResponse([pb.Tensor('OUT', pb.get_input_tensor_by_name(r, \
                  'IN').as_numpy())]) for r in requests]\n";
    std::fs::write(model.join("1/model.py"), python).unwrap();
    let configure = |size: u32| {
        let tensors = format!("{{ name: \"NAME\" data_type: TYPE_FP32 dims: [ {size} ] }}");
        let config = format!(
            "name: \"echo\"\nbackend: \"python\"\nmax_batch_size: 0\ninput [ {} ]\noutput [ {} ]\n",
            tensors.replace("NAME", "IN"),
            tensors.replace("NAME", "OUT")
        );
        std::fs::write(model.join("config.pbtxt"), config).unwrap();
    };
    configure(2);
    let mut server = triton("echo", &[("TRITON_MODELS", folder.path().to_str().unwrap())]);
    let backend = backend(&server, &[("KEYNET_TRITON_METADATA_TTL", "1h")]);
    let ask = async |size: usize| {
        let shape = [i64::try_from(size).unwrap()];
        backend
            .predict(request("echo", &[("IN", &floats(&shape, &vec![1.0; size]))]), &enough())
            .await
            .map(|_| ())
    };
    ask(2).await.unwrap();
    assert!(kind(ask(3).await).1.contains("expected FP32 [2], got FP32 [3]"));
    tokio::task::block_in_place(|| {
        server.stop();
        configure(3);
        server.resume();
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    ask(3).await.unwrap();
    assert!(kind(ask(2).await).1.contains("expected FP32 [3], got FP32 [2]"));
}
