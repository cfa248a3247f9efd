//! Compiles the protobuf definitions without a protoc binary.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let definitions = protox::compile(["proto/raft.proto", "proto/record.proto"], ["proto"])?;
    tonic_prost_build::configure().bytes(".").compile_fds(definitions)?;
    Ok(())
}
