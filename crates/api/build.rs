//! Compiles the internal protocol without a system protoc, and collects the error pages.

use std::{env, error::Error, fmt::Write as _, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    // Naming one file to watch means that no other is watched by itself.
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=build.rs");
    let files = protox::compile(["proto/internal.proto"], ["proto"])?;
    tonic_prost_build::configure().compile_fds(files)?;
    collect_error_pages()
}

/// Writes a table of `docs/errors/Q*.md` for `include!`.
fn collect_error_pages() -> Result<(), Box<dyn Error>> {
    let folder =
        PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../docs/errors").canonicalize()?;
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut pages = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(number) = name.strip_prefix('Q').and_then(|digits| digits.parse::<u16>().ok()) {
            pages.push((number, path));
        }
    }
    pages.sort();
    let mut table = String::from("static PAGES: &[(u16, &str)] = &[\n");
    for (number, path) in pages {
        writeln!(table, "    ({number}, include_str!({path:?})),")?;
    }
    table.push_str("];\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("error_pages.rs"), table)?;
    Ok(())
}
