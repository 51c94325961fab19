//! Descriptors for tests, compiled as the real ones are.

use std::{path::Path, sync::OnceLock};

/// The trial service, which has every shape.
pub fn trial() -> &'static [u8] {
    static DESCRIPTORS: OnceLock<Vec<u8>> = OnceLock::new();
    DESCRIPTORS.get_or_init(|| compile(include_str!("trial.proto")))
}

/// A service of one method, `Try`, with these options, whose request has the fields `id` and `things`.
pub fn with_method(signature: &str, options: &str) -> Vec<u8> {
    compile(&format!(
        r#"syntax = "proto3";
        package flightline.equipment.v1;
        import "flightline/options/v1/options.proto";
        import "google/api/annotations.proto";
        service TryService {{ rpc Try{signature} {{ {options} }} }}
        message Request {{ string id = 1; repeated string things = 2; }}
        message Answer {{ string id = 1; }}"#
    ))
}

fn compile(source: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("source.proto"), source).unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto");
    let mut compiler = protox::Compiler::new([folder.path(), &ours]).unwrap();
    compiler.include_imports(true).open_files(["source.proto"]).unwrap();
    compiler.encode_file_descriptor_set()
}
