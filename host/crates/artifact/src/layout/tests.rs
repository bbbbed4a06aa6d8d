//! Layouts: blobs, indexes, and layouts of other tools.

use super::*;

fn manifest(text: &str) -> RawManifest {
    RawManifest {
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        bytes: text.as_bytes().to_vec().into(),
    }
}

fn tag(tag: &str) -> Target {
    Target::Tag(tag.to_owned())
}

fn put(layout: &Layout, bytes: &[u8]) -> Blob {
    let blob = Blob::of(bytes);
    layout.put_blob(&blob, &Content::Bytes(bytes.to_vec().into()), &mut |_| {}).unwrap();
    blob
}

#[test]
fn what_is_put_is_got_back() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path().join("deep/layout"));
    assert!(matches!(layout.tags(), Err(ArtifactError::NotFound { .. })));
    let blob = put(&layout, b"bytes");
    assert!(layout.has_blob(&blob).unwrap() && !layout.has_blob(&Blob::of(b"other")).unwrap());
    let first = layout.put_manifest(&tag("1"), &manifest("{\"a\":1}")).unwrap();
    assert_eq!(layout.put_manifest(&tag("latest"), &manifest("{\"a\":1}")).unwrap(), first);
    let second = layout.put_manifest(&tag("1"), &manifest("{\"a\":2}")).unwrap();
    assert_eq!(layout.tags().unwrap(), ["1", "latest"]);
    assert_eq!(layout.manifest(&tag("1"), 100).unwrap().digest(), second);
    assert_eq!(layout.manifest(&Target::digest(first), 100).unwrap().digest(), first);
    // A manifest that lost its last tag is still found by its digest.
    layout.put_manifest(&tag("latest"), &manifest("{\"a\":2}")).unwrap();
    assert_eq!(layout.manifest(&Target::digest(first), 100).unwrap().digest(), first);
    assert_eq!(layout.index().unwrap().manifests.len(), 3);
    assert!(matches!(layout.manifest(&tag("2"), 100), Err(ArtifactError::NotFound { .. })));
    assert!(matches!(layout.manifest(&tag("1"), 3), Err(ArtifactError::TooLarge { .. })));
}

#[test]
fn what_other_tools_put_into_the_index_stays() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    let index = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","annotations":{"x":"y"},
        "manifests":[{"mediaType":"m","digest":"sha256:0","size":1,"platform":{"os":"linux"},"annotations":{"k":"v"}}]}"#;
    std::fs::write(folder.path().join(INDEX), index).unwrap();
    layout.put_manifest(&tag("1"), &manifest("{}")).unwrap();
    let now: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join(INDEX)).unwrap()).unwrap();
    let before: Value = serde_json::from_str(index).unwrap();
    assert_eq!(
        (&now["annotations"], &now["mediaType"], &now["manifests"][0]),
        (&before["annotations"], &before["mediaType"], &before["manifests"][0])
    );
    assert_eq!(now["manifests"][1]["annotations"][REF_NAME], "1");
}

/// `umoci init` and `docker save IMAGE@DIGEST` write such files.
#[test]
fn null_in_an_index_of_another_tool_is_an_empty_list() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    std::fs::write(
        folder.path().join(INDEX),
        r#"{"schemaVersion":2,"manifests":null,"annotations":null}"#,
    )
    .unwrap();
    layout.put_manifest(&tag("1"), &manifest("{}")).unwrap();
    assert_eq!(layout.tags().unwrap(), ["1"]);
    let mut index: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join(INDEX)).unwrap()).unwrap();
    index["manifests"]
        .as_array_mut()
        .unwrap()
        .push(serde_json::json!({ "mediaType": "m", "digest": "sha256:0", "size": 1, "annotations": null }));
    std::fs::write(folder.path().join(INDEX), index.to_string()).unwrap();
    assert_eq!(layout.manifest(&tag("1"), 100).unwrap().bytes, "{}");
}

#[test]
fn bytes_that_are_not_the_blob_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path().join("layout"));
    let file = folder.path().join("file");
    std::fs::write(&file, b"changed").unwrap();
    let blob = Blob::of(b"written");
    let content = Content::open(&file).unwrap();
    let error = layout.put_blob(&blob, &content, &mut |_| {}).unwrap_err();
    assert!(matches!(error, ArtifactError::WrongDigest { .. }), "{error}");
    let error = layout.put_blob(&Blob { size: 3, ..blob }, &content, &mut |_| {}).unwrap_err();
    assert!(matches!(error, ArtifactError::WrongSize { .. }), "{error}");
    assert!(!layout.blob_path(&blob.digest).exists());
    assert_eq!(std::fs::read_dir(layout.0.join(INCOMING)).unwrap().count(), 0);
}

#[test]
fn a_damaged_blob_is_noticed_and_healed_by_the_next_push() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    let blob = put(&layout, b"bytes");
    for damage in [&b"bytez"[..], b"byt", b""] {
        std::fs::write(layout.blob_path(&blob.digest), damage).unwrap();
        assert!(!layout.has_blob(&blob).unwrap() && layout.read_blob(&blob, 100).is_err());
        put(&layout, b"bytes");
        assert_eq!(layout.read_blob(&blob, 100).unwrap(), b"bytes");
    }
}

#[test]
fn links_are_no_blobs() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path().join("layout"));
    let blob = put(&layout, b"bytes");
    let path = layout.blob_path(&blob.digest);
    std::fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
    let error = layout.has_blob(&blob).unwrap_err().to_string();
    assert!(error.contains("symbolic link"), "{error}");
    std::fs::rename(layout.0.join("blobs/sha256"), folder.path().join("sha256")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("sha256"), layout.0.join("blobs/sha256"))
        .unwrap();
    assert!(matches!(layout.has_blob(&blob), Err(ArtifactError::Layout { .. })));
}

#[test]
fn what_a_killed_writer_left_is_removed_and_what_another_writes_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    layout.make().unwrap();
    let incoming = folder.path().join(INCOMING);
    std::fs::write(incoming.join("dead"), b"half").unwrap();
    let mut alive = Incoming::new(&incoming).unwrap();
    alive.file.write_all(b"half").unwrap();
    put(&layout, b"bytes");
    assert!(!incoming.join("dead").exists() && alive.path.exists());
    alive.become_file(&folder.path().join("whole")).unwrap();
    assert_eq!(std::fs::read_dir(&incoming).unwrap().count(), 0);
}

#[test]
fn pushes_at_once_lose_no_tag() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let layout = &layout;
            scope.spawn(move || {
                for turn in 0..8 {
                    put(layout, format!("{turn}").as_bytes());
                    layout
                        .put_manifest(
                            &tag(&format!("{writer}-{turn}")),
                            &manifest(&format!("{{\"t\":{turn}}}")),
                        )
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(layout.tags().unwrap().len(), 64);
    assert_eq!(std::fs::read_dir(folder.path().join(INCOMING)).unwrap().count(), 0);
}

#[test]
fn another_version_or_a_torn_index_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    put(&layout, b"x");
    std::fs::write(folder.path().join(INDEX), "{\"schemaVersion\":2,").unwrap();
    assert!(layout.tags().unwrap_err().to_string().contains(INDEX));
    std::fs::write(folder.path().join(MARKER), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    assert!(layout.tags().unwrap_err().to_string().contains("1.0.0"));
}
