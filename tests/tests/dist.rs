//! The archive of a release, made of the programs that the tests run, and installed from a folder.

#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use keynet_tests::{binary, root};

/// Runs the install script from its folder, where the archive is too.
fn install(from: &Path, prefix: &Path) -> Output {
    let mut install = Command::new(from.join("install.sh"));
    install.env("KEYNET_PREFIX", prefix).env_remove("KEYNET_FROM").output().unwrap()
}

#[test]
fn a_release_is_installed_from_its_archive() {
    let (out, prefix) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = Command::new(root().join("cli/dist"))
        .arg("--built")
        .arg(binary().parent().unwrap())
        .arg(out.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let installed = install(out.path(), prefix.path());
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let version = format!("keynet-inference {}\n", env!("CARGO_PKG_VERSION"));
    assert!(String::from_utf8_lossy(&installed.stdout).starts_with(&version));
    for program in ["keynet-inference", "keynet-runtime"] {
        let ran = Command::new(prefix.path().join("bin").join(program)).arg("--version").output();
        assert!(ran.unwrap().status.success(), "{program}");
    }

    // What the script says that the programs need is what they need.
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    let (_, glibc) = said.trim_end().rsplit_once("for glibc ").expect("the version of glibc");
    let glibc = glibc.trim_end_matches(" or later");
    let program = prefix.path().join("bin/keynet-inference");
    let symbols = Command::new("objdump").arg("-T").arg(program).output().unwrap().stdout;
    assert!(String::from_utf8_lossy(&symbols).contains(&format!("(GLIBC_{glibc})")), "{said}");
    let script = out.path().join("install.sh");
    let text = fs::read_to_string(&script).unwrap();
    fs::write(&script, text.replace(&format!("GLIBC={glibc}\n"), "GLIBC=99.0\n")).unwrap();
    let refused = install(out.path(), &prefix.path().join("refused"));
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && why.contains("the programs need glibc 99.0"), "{why}");
    assert!(!prefix.path().join("refused").exists());
    fs::write(&script, text).unwrap();

    // One changed byte, and nothing is installed.
    let archive = fs::read_dir(out.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|ending| ending == "gz"))
        .unwrap();
    let mut bytes = fs::read(&archive).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&archive, bytes).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let refused = install(out.path(), elsewhere.path());
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("nothing was installed"));
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}
