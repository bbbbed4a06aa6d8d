//! Tensors in shared memory, and its failure modes.

use std::process::{Command, Stdio};
use std::time::Duration;

use futures::future::join_all;
use keynet_base::ErrorKind;
use keynet_models::inference::triton::TritonInference;
use keynet_models::inference::{DataType, InferenceBackend, InferenceRequest, Tensor};
use keynet_test_servers::RealServer;

use crate::support::*;

const AUTO: (&str, &str) = ("KEYNET_TRITON_SHM", "auto");

/// Messages of the protocol, to query the server's state.
mod proto {
    #![allow(clippy::all, clippy::pedantic, missing_docs, unused_qualifications, dead_code)]
    include!(concat!(env!("OUT_DIR"), "/inference.rs"));
}

/// Returns this program's regions that are registered with the server.
async fn registered(server: &RealServer) -> Vec<String> {
    let url = format!("http://{}", server.get("TRITON_GRPC"));
    let mut client = proto::grpc_inference_service_client::GrpcInferenceServiceClient::connect(url)
        .await
        .unwrap();
    let known = client
        .system_shared_memory_status(proto::SystemSharedMemoryStatusRequest::default())
        .await
        .unwrap();
    known.into_inner().regions.into_keys().filter(|name| name.starts_with("keynet-")).collect()
}

/// Returns the files of the regions of a process.
fn files(process: u32) -> Vec<String> {
    let names = std::fs::read_dir("/dev/shm")
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(&format!("keynet-{process}-"))).collect()
}

/// Returns the number of this process's regions. Only for a test that runs [`alone`].
fn mine() -> usize {
    files(std::process::id()).len()
}

fn picture(seed: u32) -> Tensor {
    let pixels: Vec<u8> = (0..3 * 640 * 640_u32)
        .flat_map(|index| ((index.wrapping_mul(31) ^ seed) as f32).to_le_bytes())
        .collect();
    tensor(DataType::Fp32, &[1, 3, 640, 640], pixels)
}

fn mirrored(picture: &Tensor) -> InferenceRequest {
    request("mirror", &[("IN", picture)])
}

async fn check_mirror(backend: &TritonInference, seed: u32) {
    let picture = picture(seed);
    let came = one(backend, mirrored(&picture)).await;
    assert_eq!(came.shape(), picture.shape());
    let turned = f32s(&came).into_iter().zip(f32s(&picture)).all(|(came, sent)| came == -sent);
    assert!(turned, "not the picture of {seed}");
}

#[test]
fn large_tensors_go_through_regions_that_are_used_again_and_given_back() {
    alone(
        "shared_memory::large_tensors_go_through_regions_that_are_used_again_and_given_back",
        async {
            let server = triton("mirror identity", &[]);
            let off = backend(&server, &[]);
            check_mirror(&off, 1).await;
            assert_eq!((mine(), registered(&server).await.len()), (0, 0));

            let auto = backend(&server, &[AUTO]);
            for seed in 0..3 {
                check_mirror(&auto, seed).await;
                assert_eq!((mine(), registered(&server).await.len()), (1, 1));
            }
            join_all((10..18).map(|seed| check_mirror(&auto, seed))).await;
            let held = mine();
            assert!((2..=8).contains(&held), "{held}");
            assert_eq!(registered(&server).await.len(), held);
            // Some tensors in shared memory, some not: an output of unknown size, a small input,
            // and a small request.
            let large = tensor(DataType::Uint8, &[1 << 20], vec![7; 1 << 20]);
            let small = tensor(DataType::Int8, &[3], vec![1, 2, 3]);
            let came = auto
                .predict(
                    request("identity", &[("IN_UINT8", &large), ("IN_INT8", &small)]),
                    &enough(),
                )
                .await
                .unwrap();
            assert!(
                came.iter().any(
                    |output| output.name == "OUT_UINT8" && output.tensor.data() == large.data()
                )
            );
            assert!(came.iter().any(|output| output.name == "OUT_INT8" && output.tensor.data() == small.data()));
            assert_eq!(
                one(&auto, request("identity", &[("IN_INT8", &small)])).await.data(),
                small.data()
            );

            // The memory of a response is charged to the activation, and the response is rejected
            // if it does not fit.
            let budget = enough();
            let answer = auto.predict(mirrored(&picture(1)), &budget).await.unwrap();
            assert!(
                (4_915_200..4_920_000).contains(&budget.memory.used()),
                "{}",
                budget.memory.used()
            );
            drop(answer);
            let mut narrow = enough();
            narrow.memory = keynet_base::budget::MemoryBudget::process(1 << 30).activation(1 << 20);
            assert_eq!(
                kind(auto.predict(mirrored(&picture(1)), &narrow).await).0,
                ErrorKind::TooLarge
            );
            check_mirror(&auto, 2).await;

            auto.close().await;
            assert_eq!((mine(), registered(&server).await.len()), (0, 0));
            check_mirror(&auto, 3).await;
            auto.close().await;
            assert_eq!((mine(), registered(&server).await.len()), (0, 0));
        },
    );
}

#[test]
fn a_call_that_is_cut_off_leaves_its_region_alone() {
    alone("shared_memory::a_call_that_is_cut_off_leaves_its_region_alone", async {
        let server = triton("mirror", &[]);
        let auto = backend(&server, &[AUTO]);
        check_mirror(&auto, 1).await;
        for seed in 0..5 {
            let cut = tokio::time::timeout(
                Duration::from_millis(3 + u64::from(seed)),
                auto.predict(mirrored(&picture(seed)), &enough()),
            )
            .await;
            drop(cut);
            check_mirror(&auto, 100 + seed).await;
        }
        // A region that may still be written to is not reused; the limit of all regions applies.
        let limited = backend(&server, &[AUTO, ("KEYNET_TRITON_SHM_BYTES", "1MiB")]);
        let before = mine();
        check_mirror(&limited, 7).await;
        assert_eq!(mine(), before);
        drop(auto);
        until("files stay", || mine() == 0).await;
    });
}

#[test]
fn a_server_that_was_started_anew_is_told_its_regions_again() {
    alone("shared_memory::a_server_that_was_started_anew_is_told_its_regions_again", async {
        let mut server = triton("mirror", &[]);
        let auto = backend(&server, &[AUTO]);
        check_mirror(&auto, 1).await;
        tokio::task::block_in_place(|| {
            server.stop();
            server.resume();
        });
        assert_eq!(registered(&server).await.len(), 0);
        check_mirror(&auto, 2).await;
        check_mirror(&auto, 3).await;
        assert_eq!((mine(), registered(&server).await.len()), (1, 1));
        auto.close().await;
    });
}

#[test]
fn a_server_that_does_not_see_our_memory_gets_its_tensors_through_grpc() {
    alone(
        "shared_memory::a_server_that_does_not_see_our_memory_gets_its_tensors_through_grpc",
        async {
            let server = triton("mirror", &[("TRITON_OWN_SHM", "1")]);
            let auto = backend(&server, &[AUTO]);
            check_mirror(&auto, 1).await;
            check_mirror(&auto, 2).await;
            assert_eq!((mine(), registered(&server).await.len()), (0, 0));
        },
    );
}

#[test]
fn what_a_killed_process_left_is_removed_by_the_next() {
    alone("shared_memory::what_a_killed_process_left_is_removed_by_the_next", async {
        let server = triton("mirror", &[]);
        let test = std::env::current_exe().unwrap();
        let mut child = Command::new(test);
        child.args([
            "--exact",
            "shared_memory::holds_a_region_until_it_is_killed",
            "--ignored",
            "--nocapture",
        ]);
        child
            .env("KEYNET_TEST_TRITON", format!("http://{}", server.get("TRITON_GRPC")))
            .stdout(Stdio::null());
        let mut child = child.spawn().unwrap();
        let process = child.id();
        until("the other process registers no region", || {
            files(process).iter().any(|name| !name.contains("-new-"))
        })
        .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(registered(&server).await.len(), 1);

        // The region of a live process is not removed.
        let auto = backend(&server, &[AUTO]);
        check_mirror(&auto, 1).await;
        assert_eq!(files(process).len(), 1);
        assert_eq!(registered(&server).await.len(), 2);
        auto.close().await;

        child.kill().unwrap();
        child.wait().unwrap();
        // Its file is removed too, unless a process of another test has already done so.
        assert!(files(process).len() <= 1);
        assert_eq!(registered(&server).await.len(), 1);
        let next = backend(&server, &[AUTO]);
        check_mirror(&next, 2).await;
        assert_eq!(files(process).len(), 0);
        next.close().await;
        assert_eq!((mine(), registered(&server).await.len()), (0, 0));
    });
}

/// Second process of the previous test.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is started by another test"]
async fn holds_a_region_until_it_is_killed() {
    let url = std::env::var("KEYNET_TEST_TRITON").unwrap();
    let auto = at(&[("TRITON_URL", &url), AUTO]).unwrap();
    check_mirror(&auto, 1).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
}
