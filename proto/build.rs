//! Compiles the `.proto` files with a pure-Rust compiler, so that no `protoc` is needed, and generates from their
//! options what the services would otherwise write by hand: validation, the table of access rules, and forms for logs
//! that show no secret.

#[path = "build/access.rs"]
mod access;
#[path = "build/debug.rs"]
mod debug;
#[path = "build/validation.rs"]
mod validation;
#[path = "build/words.rs"]
mod words;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use prost::Message;
use prost_reflect::DescriptorPool;

/// Where our own packages live; everything else is a neighbour's vocabulary.
const OURS: &str = "flightline";

fn main() -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    println!("cargo:rerun-if-changed={OURS}");
    println!("cargo:rerun-if-changed=google");
    println!("cargo:rerun-if-changed=buf");

    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(proto_files(Path::new(OURS))?)?;

    // The encoded form keeps extension values, which the typed form drops: the options live there.
    let descriptors = compiler.encode_file_descriptor_set();
    let pool = DescriptorPool::decode(descriptors.as_slice())?;
    fs::write(out.join("descriptors.bin"), without_foreign_comments(&pool))?;
    fs::write(out.join("access.rs"), access::table(&pool)?)?;
    fs::write(out.join("debug.rs"), debug::implementations(&pool)?)?;
    fs::write(out.join("debug_table.rs"), debug::table(&pool)?)?;
    fs::write(out.join("validation.rs"), validation::implementations(&pool)?)?;

    // The well-known types are in the set for prost to look at; their Rust types come from prost-types.
    let mut set = compiler.file_descriptor_set();
    set.file.retain(|file| file.package().starts_with(OURS) || file.package() == "google.protobuf");
    let builder = tonic_prost_build::configure()
        .build_transport(false)
        // In the order of their keys, so that the same message always encodes to the same bytes.
        .btree_map(".")
        .codec_path("crate::validate::ValidatingCodec");
    debug::configure(builder, &pool).compile_fds(set)?;
    Ok(())
}

/// All `.proto` files below `folder`, in a stable order.
fn proto_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(proto_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Drops the comments of other people's files: most of the size, and none of our documentation.
fn without_foreign_comments(pool: &DescriptorPool) -> Vec<u8> {
    let mut set = Vec::new();
    for file in pool.files() {
        let bytes = if file.package_name().starts_with(OURS) {
            file.encode_to_vec()
        } else {
            let mut plain = file.file_descriptor_proto().clone();
            plain.source_code_info = None;
            plain.encode_to_vec()
        };
        // FileDescriptorSet has one field, number 1: the files.
        prost::encoding::bytes::encode(1, &bytes, &mut set);
    }
    set
}
