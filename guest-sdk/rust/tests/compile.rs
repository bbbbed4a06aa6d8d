//! What compiles, and what a mistake is answered with. A new case is a new file; `TRYBUILD=overwrite` writes its expected errors.

#[test]
fn compile() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/compile-cases/passes/*.rs");
    cases.compile_fail("tests/compile-cases/errors/*.rs");
}
